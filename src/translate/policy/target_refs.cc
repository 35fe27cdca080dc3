#include "translate/policy/target_refs.h"

#include <algorithm>

#include <fmt/format.h>

#include "translate/near.h"
#include "translate/reference.h"

namespace sluice::translate {

namespace {

// A selector that selects nothing, of objects of its kind with these labels. `some` have all of them, and are
// out of its reach.
Problem nothing_selected(const ObjectKey& policy, const api::TargetSelector& selector, std::string path,
                         const std::vector<const api::StringMap*>& there, bool some, bool elsewhere) {
  const std::string where =
      elsewhere ? std::string() : fmt::format(" of namespace {}", policy.name.namespace_);
  Problem problem{.code = "reference/no-targets",
                  .severity = Severity::kWarning,
                  .where = {},
                  .object = policy,
                  .path = std::move(path),
                  .message = {},
                  .suggestion = {},
                  .also = {}};
  if (some) {
    problem.message = fmt::format(
        "every {} with these labels is in a namespace out of reach: nothing is selected", selector.kind);
    problem.suggestion = "widen `namespaces`, and add a ReferenceGrant in those of other teams";
  } else if (there.empty()) {
    problem.message = fmt::format("there is no {}{}: nothing is selected", selector.kind, where);
  } else {
    if (!selector.labels.match_labels.empty()) problem.path += ".matchLabels";
    problem.message = fmt::format("no {}{} has these labels: nothing is selected", selector.kind, where);
    if (!selector.labels.match_labels.empty()) {
      problem.suggestion = near_labels(selector.labels.match_labels, there, selector.kind);
    }
  }
  return problem;
}

}  // namespace

TargetRefs read_targets(const ObjectKey& policy, const api::PolicyTargets& targets, const LabelIndex& labels,
                        const Projections& tables, flow::Reads& reads) {
  TargetRefs result;
  const std::string& own = policy.name.namespace_;
  const auto add = [&result](PolicyTarget target, std::string path) {
    if (is_among(target, result.targets)) return;
    result.targets.push_back(std::move(target));
    result.paths.push_back(std::move(path));
  };
  const auto report = [&](std::string code, Severity severity, std::string path, std::string message,
                          std::string suggestion) {
    result.problems.push_back({.code = std::move(code),
                               .severity = severity,
                               .where = {},
                               .object = policy,
                               .path = std::move(path),
                               .message = std::move(message),
                               .suggestion = std::move(suggestion),
                               .also = {}});
  };
  if (targets.target_ref) add(policy_target(own, *targets.target_ref), "spec.targetRef");
  for (std::size_t i = 0; i < targets.target_refs.size(); ++i) {
    add(policy_target(own, targets.target_refs[i]), fmt::format("spec.targetRefs[{}]", i));
  }
  for (std::size_t i = 0; i < targets.target_selectors.size(); ++i) {
    const api::TargetSelector& selector = targets.target_selectors[i];
    const std::string path = fmt::format("spec.targetSelectors[{}]", i);
    if (const auto good = check_selector(selector.labels); !good) {
      report("value/selector", Severity::kError, path, good.error(), "");
      continue;
    }
    const GroupKind kind(selector.group, selector.kind);
    const std::size_t problems = result.problems.size();
    if (const auto meant = api::meant_by(kind)) {
      KindSlip slip = slip_of(kind, *meant);
      report("reference/kind", Severity::kWarning, fmt::format("{}.{}", path, slip.field),
             fmt::format("there is no kind `{}`: nothing is selected", words_of(kind)),
             std::move(slip.suggestion));
    }
    const api::RouteNamespaces namespaces = selector.namespaces.value_or(api::RouteNamespaces());
    if (auto fault = check_namespaces(namespaces)) {
      // The policy is still for what it selects in its own namespace.
      report(fault->selects_nothing ? "value/selector" : "support/no-effect", Severity::kWarning,
             fmt::format("{}.namespaces.{}", path, fault->field), std::move(fault->message),
             std::move(fault->suggestion));
    }
    const bool elsewhere = namespaces.from != api::FromNamespaces::kSame;
    std::vector<const api::StringMap*> there;
    bool some = false;
    bool selected = false;
    for (const auto& [object, its_labels] :
         reads.group(labels, TargetGroup{kind, elsewhere ? std::string() : own})) {
      there.push_back(&its_labels);
      if (!selects(selector.labels, its_labels)) continue;
      some = true;
      // Into another namespace a policy reaches where that lets it.
      if (object.name.namespace_ != own &&
          (!allows(namespaces, own, object.name.namespace_, tables, reads) ||
           !permitted({policy.kind, own}, object.kind, object.name, tables, reads))) {
        continue;
      }
      selected = true;
      add({.object = object, .section = {}}, path);
    }
    // What else is wrong with it is why.
    if (!selected && result.problems.size() == problems) {
      result.problems.push_back(nothing_selected(policy, selector, path, there, some, elsewhere));
    }
  }
  return result;
}

}  // namespace sluice::translate

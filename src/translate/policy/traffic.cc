#include "translate/policy/traffic.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "translate/near.h"
#include "translate/policy/ancestors.h"
#include "translate/policy/precedence.h"
#include "translate/policy/target.h"
#include "translate/session.h"

namespace sluice::translate {
namespace {

// Of the schema, for who leaves out one of the two.
constexpr std::int64_t kMinRetries = 10;
constexpr ir::Duration kPerSecond{1'000};

ObjectKey key_of(const NamespacedName& name) {
  return {.kind = api::kind_of<api::XBackendTrafficPolicy>(), .name = name};
}

// Envoy limits how many retries run at once: as many as there may be in a second, for that is how long they
// take at most where all is well.
std::uint32_t min_retries(const api::RequestRate& rate) {
  const std::int64_t count = rate.count.value_or(kMinRetries);
  const std::int64_t interval = std::max<std::int64_t>(1, rate.interval.value_or(kPerSecond).count());
  const std::int64_t at_once = (count * kPerSecond.count() + interval - 1) / interval;
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(at_once, 1, std::numeric_limits<std::int32_t>::max()));
}

bool exists(const ObjectKey& target, const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  if (target.kind == api::kind_of<api::Backend>()) return reads.get(inputs.backends, target.name) != nullptr;
  if (target.kind == api::kind_of<api::XBackend>()) {
    return reads.get(inputs.x_backends, target.name) != nullptr;
  }
  return reads.get(tables.services, target) != nullptr;
}

Kinds targets() {
  static const GroupKind kKinds[] = {api::kind_of<api::Service>(), api::kind_of<api::ServiceImport>(),
                                     api::kind_of<api::Backend>(), api::kind_of<api::XBackend>()};
  return kKinds;
}

}  // namespace

TrafficPolicyRow read_traffic_policy(const NamespacedName& name, const api::XBackendTrafficPolicy& policy) {
  TrafficPolicyRow row;
  row.creation_timestamp = policy.metadata.creation_timestamp;
  for (const api::LocalPolicyTargetReference& ref : policy.spec.target_refs) {
    row.targets.push_back(policy_target(name.namespace_, ref));
  }
  if (const auto& retries = policy.spec.retry_constraint) {
    row.retry_budget = ir::RetryBudget{.percent = static_cast<double>(retries->budget_percent),
                                       .min = min_retries(retries->min_retry_rate),
                                       .interval = retries->budget_interval};
  }
  row.session = policy.spec.session_persistence;
  if (!row.session) return row;
  row.problems = check_session(*row.session, key_of(name), "spec.sessionPersistence");
  const auto is_error = [](const Problem& problem) { return problem.severity == Severity::kError; };
  if (std::ranges::any_of(row.problems, is_error)) row.session = {};
  return row;
}

PolicyProblems check_traffic_policy(const NamespacedName& name, const TrafficPolicyRow& row,
                                    const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  PolicyProblems checked;
  const auto add = [&](std::string path, std::string code, std::string message, std::string suggestion) {
    checked.problems.push_back({.code = std::move(code),
                                .severity = Severity::kError,
                                .where = {},
                                .object = key_of(name),
                                .path = std::move(path),
                                .message = std::move(message),
                                .suggestion = std::move(suggestion),
                                .also = {}});
  };
  for (std::size_t i = 0; i < row.targets.size(); ++i) {
    const PolicyTarget& target = row.targets[i];
    const std::string path = fmt::format("spec.targetRefs[{}]", i);
    if (std::ranges::find(targets(), target.object.kind) == targets().end()) {
      KindSlip slip = near_kind(target.object.kind, targets(),
                                "use a Service, a ServiceImport, a Backend or an XBackend");
      add(fmt::format("{}.{}", path, slip.field), "reference/kind",
          fmt::format("an XBackendTrafficPolicy is for no `{}`", words_of(target.object.kind)),
          std::move(slip.suggestion));
      continue;
    }
    if (!exists(target.object, inputs, tables, reads)) {
      add(path + ".name", "reference/not-found", fmt::format("there is no {}", target.object.to_string()),
          near_object(target.object, backend_kinds(), tables, reads));
      continue;
    }
    if (auto conflict = find_conflict(reads.group(tables.traffic_policies_of, target.object),
                                      api::kind_of<api::XBackendTrafficPolicy>(), name, row, i, "")) {
      checked.problems.push_back(*std::move(conflict));
    }
  }
  return checked;
}

const TrafficPolicyRow* traffic_policy_of(const ObjectKey& backend, const Projections& tables,
                                          flow::Reads& reads, std::vector<PolicyUse>& uses) {
  return meet_policies(reads.group(tables.traffic_policies_of, backend), {.object = backend, .section = ""},
                       api::kind_of<api::XBackendTrafficPolicy>(), uses);
}

ObjectStatus traffic_policy_status(const api::XBackendTrafficPolicy& policy, std::vector<PolicyUse> uses) {
  return status_of_met(policy.metadata.generation, api::kind_of<api::XBackendTrafficPolicy>(),
                       std::move(uses), {{"Accepted", true, "Accepted", "The policy is accepted"}});
}

}  // namespace sluice::translate

#include "translate/policy/ancestors.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/policy/precedence.h"

namespace sluice::translate {
namespace {

// As many of those that are left out are named.
constexpr std::size_t kMaxNamed = 16;

// What users have to know of comes first: where the policy is refused, then where others override it. Envoy
// Gateway's order.
int rank_of(const Conditions& conditions) {
  const Condition* accepted = find_condition(conditions, "Accepted");
  if (accepted != nullptr && !accepted->status) return 0;
  const Condition* overridden = find_condition(conditions, "Overridden");
  return overridden != nullptr && overridden->status ? 1 : 2;
}

std::string text_of(const api::ParentReference& ancestor) {
  return fmt::format("{} {}{}", ancestor.kind,
                     NamespacedName{ancestor.namespace_.value_or(""), ancestor.name}.to_string(),
                     ancestor.section_name ? "/" + *ancestor.section_name : "");
}

Ancestors limited(Ancestors ancestors, std::size_t most, std::string_view what) {
  if (ancestors.size() <= most) return ancestors;
  std::ranges::stable_sort(ancestors, {}, [](const auto& entry) {
    const auto& [ancestor, conditions] = entry;
    return std::tuple(rank_of(conditions), ancestor.namespace_.value_or(""), ancestor.name, ancestor);
  });
  const std::size_t left_out = ancestors.size() - most;
  std::vector<std::string> named;
  for (std::size_t i = most; i < most + std::min(left_out, kMaxNamed); ++i)
    named.push_back(text_of(ancestors[i].first));
  ancestors.resize(most);
  ancestors.back().second.push_back(
      {"Aggregated", true, "Aggregated",
       fmt::format("A status has room for {} {}. Without one of their own here are {}{}", most, what,
                   fmt::join(named, ", "),
                   left_out > kMaxNamed ? fmt::format(" and {} more", left_out - kMaxNamed) : "")});
  return ancestors;
}

}  // namespace

Conditions& conditions_of(Ancestors& ancestors, const api::ParentReference& ancestor) {
  const auto at =
      std::ranges::find_if(ancestors, [&ancestor](const auto& entry) { return entry.first == ancestor; });
  if (at != ancestors.end()) return at->second;
  return ancestors.emplace_back(ancestor, Conditions()).second;
}

Ancestors limit_ancestors(Ancestors ancestors) {
  return limited(std::move(ancestors), kMaxAncestors, "ancestors");
}

Ancestors limit_parents(Ancestors parents) { return limited(std::move(parents), kMaxParents, "parents"); }

ObjectStatus status_of_met(std::int64_t generation, const GroupKind& kind, std::vector<PolicyUse> uses,
                           const Conditions& conditions) {
  ObjectStatus status;
  status.generation = generation;
  status.is_policy = true;
  std::map<api::ParentReference, std::optional<NamespacedName>> ancestors;
  for (PolicyUse& use : uses) {
    std::optional<NamespacedName>& beaten_by = ancestors[use.ancestor];
    if (use.beaten_by) beaten_by = std::move(use.beaten_by);
  }
  Ancestors met;
  for (const auto& [ancestor, beaten_by] : ancestors) {
    met.emplace_back(ancestor, beaten_by ? Conditions{conflicted({kind, *beaten_by})} : conditions);
  }
  status.ancestors = limit_ancestors(std::move(met));
  return status;
}

}  // namespace sluice::translate

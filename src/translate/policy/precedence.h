// Which of several policies for one target counts.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/object_key.h"
#include "base/problem.h"
#include "flow/graph.h"
#include "translate/condition.h"
#include "translate/policy/target.h"
#include "translate/rows.h"

namespace sluice::translate {

// True where policy `a` takes precedence over `b`: the older, then the first by name (GEP-713).
template <typename Row>
bool precedes(const NamespacedName& a, const Row& row_a, const NamespacedName& b, const Row& row_b) {
  const auto age = [](const NamespacedName& name, const Row& row) {
    return std::tie(row.creation_timestamp, name);
  };
  const bool a_undated = row_a.creation_timestamp.empty();
  const bool b_undated = row_b.creation_timestamp.empty();
  if (a_undated != b_undated) return b_undated;
  return age(a, row_a) < age(b, row_b);
}

// Of the policies that have the object of the target among theirs, the one that counts for the target;
// {null, null} where there is none.
template <typename Row>
std::pair<const NamespacedName*, const Row*> first_policy(
    const flow::GroupRows<NamespacedName, Row>& policies, const PolicyTarget& target) {
  std::pair<const NamespacedName*, const Row*> first{nullptr, nullptr};
  for (const auto& [name, row] : policies) {
    if (!is_among(target, row.targets)) continue;
    if (first.second == nullptr || precedes(name, row, *first.first, *first.second)) first = {&name, &row};
  }
  return first;
}

// The one that counts for the target in place of the policy `name`; {null, null}: that one does.
template <typename Row>
std::pair<const NamespacedName*, const Row*> policy_before(
    const flow::GroupRows<NamespacedName, Row>& policies, const PolicyTarget& target,
    const NamespacedName& name) {
  const auto first = first_policy(policies, target);
  if (first.first == nullptr || *first.first == name) return {nullptr, nullptr};
  return first;
}

// What is said of a policy for whose target another one counts, in its status and as a problem. `path` and
// `first_path` are those of the target in each; `sections` is what a target has: "ports"; empty: nothing that
// could be targeted by itself.
Condition conflicted(const ObjectKey& first);
Problem conflict_problem(const ObjectKey& policy, std::string path, const ObjectKey& first,
                         std::string first_path, bool same_age, std::string_view sections);

// The conflict of the policy `name` about its `index`th target, of `spec.targetRefs`, if there is one.
template <typename Row>
std::optional<Problem> find_conflict(const flow::GroupRows<NamespacedName, Row>& policies,
                                     const GroupKind& kind, const NamespacedName& name, const Row& row,
                                     std::size_t index, std::string_view sections) {
  const auto path = [](std::size_t at) { return fmt::format("spec.targetRefs[{}]", at); };
  const PolicyTarget& target = row.targets[index];
  const auto [first, its] = policy_before(policies, target, name);
  if (first == nullptr) return std::nullopt;
  const auto at = static_cast<std::size_t>(std::ranges::find(its->targets, target) - its->targets.begin());
  return conflict_problem({kind, name}, path(index), {kind, *first}, path(at),
                          its->creation_timestamp == row.creation_timestamp, sections);
}

// The policy that counts for the target, or null. All that have the target are met: they are added to `uses`.
template <typename Row>
const Row* meet_policies(const flow::GroupRows<NamespacedName, Row>& policies, const PolicyTarget& target,
                         const GroupKind& kind, std::vector<PolicyUse>& uses) {
  const auto [first, row] = first_policy(policies, target);
  for (const auto& [name, its] : policies) {
    if (!is_among(target, its.targets)) continue;
    PolicyUse use{.policy = {kind, name}, .ancestor = {}, .beaten_by = {}};
    if (name != *first) use.beaten_by = *first;
    uses.push_back(std::move(use));
  }
  return row;
}

}  // namespace sluice::translate

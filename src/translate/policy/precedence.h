// Which of several policies for one target counts.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/object_key.h"
#include "base/problem.h"
#include "flow/graph.h"
#include "translate/condition.h"
#include "translate/policy/target.h"

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
// `first_path` are those of the target in each; `sections` is what a target has: "ports".
Condition conflicted(const ObjectKey& first);
Problem conflict_problem(const ObjectKey& policy, std::string path, const ObjectKey& first,
                         std::string first_path, bool same_age, std::string_view sections);

}  // namespace sluice::translate

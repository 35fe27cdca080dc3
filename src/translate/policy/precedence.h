// Which of several policies for one target counts.
//
// Threads: pure functions.
#pragma once

#include <tuple>
#include <utility>

#include "base/object_key.h"
#include "flow/graph.h"
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

}  // namespace sluice::translate

// The ancestors in a policy's status, or the parents in that of a backend: the Gateways, mostly, at which it
// has been met.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

// As many as a status has room for: that of a policy (GEP-713), that of an InferencePool or XBackend
// (maxItems in their schemas).
inline constexpr std::size_t kMaxAncestors = 16;
inline constexpr std::size_t kMaxParents = 32;

using Ancestors = std::vector<std::pair<api::ParentReference, Conditions>>;

// The conditions of an ancestor, which is added where it is new.
Conditions& conditions_of(Ancestors& ancestors, const api::ParentReference& ancestor);

// Of more than kMaxAncestors those stay where the policy is refused, then those where it is overridden; the
// last of them has a condition that names the others.
Ancestors limit_ancestors(Ancestors ancestors);
// The same for kMaxParents.
Ancestors limit_parents(Ancestors parents);

// The status of a policy of this kind that routes have met on their way to backends: the conditions are those
// at ancestors where it counts; where it is beaten once it is beaten, for the user has to know.
ObjectStatus status_of_met(std::int64_t generation, const GroupKind& kind, std::vector<PolicyUse> uses,
                           const Conditions& conditions);

}  // namespace sluice::translate

// The ancestors in a policy's status: the Gateways, mostly, at which it has been met.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

// As many as a status has room for (GEP-713).
inline constexpr std::size_t kMaxAncestors = 16;

using Ancestors = std::vector<std::pair<api::ParentReference, Conditions>>;

// The conditions of an ancestor, which is added where it is new.
Conditions& conditions_of(Ancestors& ancestors, const api::ParentReference& ancestor);

// Those that are too many give way to a condition of the last that says so.
Ancestors limit_ancestors(Ancestors ancestors);

}  // namespace sluice::translate

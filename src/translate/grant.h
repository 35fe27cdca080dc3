// ReferenceGrants that permit nothing, because nobody is of a kind that they name: whoever refers is told
// that no grant permits it (reference.h), far from the slip.
//
// Threads: pure functions.
#pragma once

#include <optional>

#include "translate/tables.h"

namespace sluice::translate {

// Kinds that are nearly ones that are declared; others may be another program's.
std::optional<PolicyProblems> check_grant(const NamespacedName& name, const api::ReferenceGrant& grant);

}  // namespace sluice::translate

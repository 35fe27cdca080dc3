// HTTPRouteFilters, Envoy Gateway's kind of filters that rules refer to by an ExtensionRef.
//
// One is read by itself, whatever refers to it: what is wrong with it is a problem of its own, and a rule
// that refers to such a one answers 500. What of it a rule or a backendRef can have is in route_filters.h.
//
// Threads: pure functions.
#pragma once

#include "translate/tables.h"

namespace sluice::translate {

// Under which a Secret has a credential.
inline constexpr char kCredentialKey[] = "credential";

ExtendedFilterRow read_extended_filter(const NamespacedName& name, const api::ExtendedRouteFilter& filter,
                                       const Inputs& inputs, const Projections& tables, flow::Reads& reads);

}  // namespace sluice::translate

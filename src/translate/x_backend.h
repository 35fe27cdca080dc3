// XBackend: a host outside, by the name that DNS has, with its own word on protocol and TLS.
//
// It is a backend as a Backend of Envoy Gateway is, with one endpoint: what it is besides that is a
// BackendRow.
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

BackendRow read_x_backend(const NamespacedName& name, const api::XBackend& backend, const Inputs& inputs,
                          const Projections& tables, flow::Reads& reads);

// What it speaks, and where; without TLS.
void fill_x_backend(const api::XBackendSpec& spec, ir::Cluster& cluster);

// The status, from what the routes that refer to it say: a parent for each Gateway or ListenerSet.
ObjectStatus x_backend_status(const api::XBackend& backend, const BackendRow& row,
                              std::vector<PolicyUse> uses);

}  // namespace sluice::translate

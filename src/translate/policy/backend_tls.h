// BackendTLSPolicy: whom to trust, and under which name, on connections to the ports of a Service, a
// ServiceImport or a Backend.
//
// A policy by itself (read_backend_tls_policy) is what its clusters are to be like; its CA certificates are
// named, not held, so that new ones reach the proxies as one secret and rerun no route. Of several policies
// for one target the oldest counts. A policy for a port counts before one for the whole object.
#pragma once

#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

BackendTlsPolicyRow read_backend_tls_policy(const NamespacedName& name, const api::BackendTLSPolicy& policy,
                                            const Inputs& inputs, const Projections& tables,
                                            flow::Reads& reads);

// What the policy's targets say of it: targets that do not exist, and those that an older policy has.
PolicyProblems check_backend_tls_policy(const NamespacedName& name, const BackendTlsPolicyRow& row,
                                        const Inputs& inputs, const Projections& tables, flow::Reads& reads);

// The policy that counts for a port of a backend; null: none. `uses` is told of it, and of those that would
// have counted were they older.
const BackendTlsPolicyRow* backend_tls_policy_of(const ObjectKey& backend, const std::string& section,
                                                 const Projections& tables, flow::Reads& reads,
                                                 std::vector<PolicyUse>& uses);

// The status, from what the routes that met the policy say. At most 16 ancestors: what no controller can
// write, none should.
ObjectStatus backend_tls_policy_status(const api::BackendTLSPolicy& policy, const BackendTlsPolicyRow& row,
                                       std::vector<PolicyUse> uses);

}  // namespace sluice::translate

// XBackendTrafficPolicy: how many of the requests to a backend may be retries (GEP-3388), and whether clients
// stay at one endpoint of it (GEP-1619).
//
// It is for a Service, a ServiceImport, a Backend or an XBackend as a whole. Its budget is a limit of the
// backend's clusters, whatever route sends there. Its session is that of each rule that has none of its own.
// Of several policies for one backend the oldest counts, for all that it says and does not say.
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

TrafficPolicyRow read_traffic_policy(const NamespacedName& name, const api::XBackendTrafficPolicy& policy);

// What the policy's targets say of it: targets that do not exist, and those that an older policy has.
PolicyProblems check_traffic_policy(const NamespacedName& name, const TrafficPolicyRow& row,
                                    const Inputs& inputs, const Projections& tables, flow::Reads& reads);

// The policy that counts for a backend; null: none. `uses` is told of it, and of those that would have
// counted were they older.
const TrafficPolicyRow* traffic_policy_of(const ObjectKey& backend, const Projections& tables,
                                          flow::Reads& reads, std::vector<PolicyUse>& uses);

// The status, from what the routes that met the policy say.
ObjectStatus traffic_policy_status(const api::XBackendTrafficPolicy& policy, std::vector<PolicyUse> uses);

}  // namespace sluice::translate

// Policies, and Backends and XBackends, which say for themselves what a policy says of others.
//
// Each kind of policies has the same tables (translate/policy): the policy by itself, an index by target for
// whoever translates one, and what is wrong with its targets. Its status is in statuses.h.
#pragma once

#include "control/tables/inputs.h"
#include "translate/settings.h"

namespace sluice::control::tables {

struct Policies {
  Policies(Graph& graph, const translate::Settings& settings, const Inputs& in,
           const translate::Projections& projections);

  const Table<NamespacedName, translate::BackendTlsPolicyRow>& backend_tls;
  const Index<ObjectKey, NamespacedName, translate::BackendTlsPolicyRow>& backend_tls_of;  // by target
  const Table<NamespacedName, translate::PolicyProblems>& backend_tls_targets;

  const Table<NamespacedName, translate::TrafficPolicyRow>& traffic;
  const Index<ObjectKey, NamespacedName, translate::TrafficPolicyRow>& traffic_of;  // by target
  const Table<NamespacedName, translate::PolicyProblems>& traffic_targets;

  const Table<NamespacedName, translate::BackendRow>& backends;
  const Table<NamespacedName, translate::BackendRow>& x_backends;
};

}  // namespace sluice::control::tables

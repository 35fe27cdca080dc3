// The statuses of objects, a table a kind, and the problems of sockets that are not served: what users are
// told.
#pragma once

#include <vector>

#include "control/tables/extensions.h"
#include "control/tables/gateways.h"
#include "control/tables/patches.h"
#include "control/tables/policies.h"
#include "control/tables/pools.h"
#include "control/tables/projections.h"
#include "control/tables/route_tables.h"
#include "control/tables/routes.h"
#include "translate/policy/extension_status.h"

namespace sluice::control::tables {

struct Statuses {
  Statuses(Graph& graph, const translate::Settings& settings, const Inputs& in,
           const Projections& projections, const Policies& policies, const Gateways& gateways,
           const Patches& patches, const PatchedResources& patched, const Extensions& extensions,
           const Routes& routes, const RouteTables& route_tables, const Pools& pools,
           const PickedPools& picked);

  const Table<XdsKey, translate::SocketProblems>& unserved_problems;

  // Routes that have extension policies of their own, by parent and by Gateway.
  const Index<ObjectKey, ObjectKey, translate::RouteResult>& routes_with_policies;
  const translate::PolicyStatusEnvironment policy_environment;
  const Table<NamespacedName, translate::PolicyProblems>& extension_targets;

  const Index<translate::ListenerKey, ObjectKey, translate::RouteResult>& attached;
  const Index<ObjectKey, HostKey, HostRow>& overlaps_of;              // by route
  const Index<ObjectKey, ObjectKey, translate::RouteResult>& met_by;  // by policy, or XBackend
  const Index<ObjectKey, NamespacedName, translate::ExtensionPolicyRow>& met_by_extensions;  // the same
  const Index<ObjectKey, ir::ProxyKey, translate::TelemetryRow>& met_by_telemetry;           // the same
  const Index<NamespacedName, NamespacedName, translate::GatewayPlan>& gateways_with;        // by EnvoyProxy
  const Index<NamespacedName, NamespacedName, translate::ClassRow>& classes_with;            // the same

  const std::vector<KindStatuses> all;
};

}  // namespace sluice::control::tables

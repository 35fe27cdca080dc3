// The statuses of objects, a table a kind, and the problems of sockets that are not served: what users are
// told.
#pragma once

#include <vector>

#include "control/tables/gateways.h"
#include "control/tables/policies.h"
#include "control/tables/projections.h"
#include "control/tables/route_tables.h"
#include "control/tables/routes.h"

namespace sluice::control::tables {

struct Statuses {
  Statuses(Graph& graph, const translate::Settings& settings, const Inputs& in,
           const Projections& projections, const Policies& policies, const Gateways& gateways,
           const Routes& routes, const RouteTables& route_tables);

  const Table<XdsKey, translate::SocketProblems>& unserved_problems;

  const Index<translate::ListenerKey, ObjectKey, translate::RouteResult>& attached;
  const Index<ObjectKey, HostKey, HostRow>& overlaps_of;                               // by route
  const Index<NamespacedName, ObjectKey, translate::RouteResult>& met_by;              // by policy
  const Index<NamespacedName, NamespacedName, translate::GatewayPlan>& gateways_with;  // by EnvoyProxy

  const std::vector<KindStatuses> all;
};

}  // namespace sluice::control::tables

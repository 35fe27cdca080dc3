// What ADS serves besides route tables: listeners, clusters, endpoints, secrets.
#pragma once

#include "control/tables/gateways.h"
#include "control/tables/pools.h"
#include "control/tables/route_tables.h"
#include "control/tables/routes.h"
#include "control/tables/services.h"
#include "translate/socket.h"

namespace sluice::control::tables {

struct Resources {
  Resources(Graph& graph, const Inputs& in, const translate::Projections& projections,
            const Services& services, const Gateways& gateways, const Routes& routes,
            const RouteTables& route_tables, const PickedPools& picked);

  // Sockets with what routes bring to them.
  const Table<XdsKey, translate::SocketPlan>& socket_plans;
  const Index<XdsKey, ObjectKey, translate::RouteResult>& streams_of;  // by socket
  const Table<XdsKey, translate::SocketRow>& sockets;
  const RenderedTable& listeners;
  const RenderedTable& extensions;  // filters of listeners that are discovered
  const RenderedTable& listener_secrets;

  const Table<XdsKey, translate::ClusterRow>& route_clusters;
  const Table<XdsKey, translate::ClusterRow>& socket_clusters;
  const Table<XdsKey, translate::ClusterRow>& telemetry_clusters;
  const Table<XdsKey, translate::ClusterRow>& cluster_rows;
  const Table<ir::ProxyKey, ir::ClusterReport>& cluster_reports;  // where any is wanted
  const RenderedTable& cluster_secrets;
  const RenderedTable& route_secrets;
  const RenderedTable& clusters;
  const RenderedTable& endpoints;

  const RenderedTable& secrets;
};

}  // namespace sluice::control::tables

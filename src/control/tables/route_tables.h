// Route tables: the routes of each host are merged and rendered, and the bytes of the hosts are copied
// together.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "control/tables/gateways.h"
#include "control/tables/routes.h"

namespace sluice::control::tables {

// One host of a route table, ready to be copied into it.
struct HostRow {
  std::string bytes;
  std::vector<std::string> clusters;
  translate::Overlaps overlaps;

  bool operator==(const HostRow&) const = default;
};

struct TableFilters {
  std::set<ir::RouteFilter> filters;
  std::vector<ir::ExtensionPtr> extensions;  // sorted by index and name

  bool operator==(const TableFilters& o) const {
    const auto same = [](const auto& a, const auto& b) { return a == b || *a == *b; };
    return filters == o.filters && std::ranges::equal(extensions, o.extensions, same);
  }
};

struct RouteTables {
  RouteTables(Graph& graph, const Gateways& gateways, const Routes& routes);

  const Index<HostKey, ObjectKey, translate::RouteResult>& routes_of;  // by host
  const Table<HostKey, HostRow>& hosts;
  const Index<std::string, HostKey, HostRow>& hosts_of;  // by route table
  const Table<XdsKey, translate::RouteTablePlan>& plans;
  const RenderedTable& route_tables;

  // The HTTP filters that the routes of a table need.
  const Index<std::string, ObjectKey, translate::RouteResult>& routes_with_filters;
  const Table<std::string, TableFilters>& filters;
};

}  // namespace sluice::control::tables

// Route tables: the routes of each host are merged and rendered, and the bytes of the hosts are copied
// together.
#pragma once

#include <algorithm>
#include <map>
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
  std::map<ObjectKey, translate::LostMatches> lost;  // by route

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

struct LostMatchProblems {
  std::vector<Problem> problems;

  bool operator==(const LostMatchProblems&) const = default;
};

struct RouteTables {
  RouteTables(Graph& graph, const Gateways& gateways, const Routes& routes);

  const Table<std::string, translate::Named>& counting;                // those whose hosts have statistics
  const Index<HostKey, ObjectKey, translate::RouteResult>& routes_of;  // by host
  const Table<HostKey, HostRow>& hosts;
  const Index<Interned, HostKey, HostRow>& hosts_of;  // by route table
  // A row for each route of a host, so that others do not hear of it where one loses a match.
  const Table<translate::HostRoute, translate::LostMatches>& lost;
  const Index<ObjectKey, translate::HostRoute, translate::LostMatches>& lost_by;  // by route
  const Table<ObjectKey, LostMatchProblems>& problems_of_lost;
  const Table<XdsKey, translate::RouteTablePlan>& plans;
  const RenderedTable& route_tables;

  // The HTTP filters that the routes of a table need.
  const Index<std::string, ObjectKey, translate::RouteResult>& routes_with_filters;
  const Table<std::string, TableFilters>& filters;
};

}  // namespace sluice::control::tables

#include "control/tables/route_tables.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "control/tables/render.h"
#include "translate/hostname.h"
#include "translate/virtual_host.h"

namespace sluice::control::tables {
namespace {

HostRow render_host(const HostKey& key, const flow::GroupRows<ObjectKey, translate::RouteResult>& routes,
                    bool counted) {
  std::vector<std::pair<ObjectKey, const translate::Contribution*>> contributions;
  for (const auto& [route, result] : routes) {
    const auto at =
        std::ranges::lower_bound(result.contributions, key, {}, [](const auto& c) { return c.first; });
    contributions.emplace_back(route, &at->second);
  }
  translate::MergedHost merged = translate::merge_host(key.host, contributions);
  merged.host.counted = counted;
  return {.bytes = xds::render_virtual_host(key.table, merged.host),
          .clusters = translate::clusters_of(merged.host),
          .overlaps = std::move(merged.overlaps),
          .lost = std::move(merged.lost)};
}

LostMatchProblems problems_of(const ObjectKey& route,
                              const flow::GroupRows<translate::HostRoute, translate::LostMatches>& lost) {
  std::vector<std::pair<std::string, const translate::LostMatches*>> by_host;
  for (const auto& [key, matches] : lost) by_host.emplace_back(key.host.host, &matches);
  return {translate::problems_of_lost(route, by_host)};
}

Rendered render_route_table(const translate::RouteTablePlan& plan,
                            const flow::GroupRows<HostKey, HostRow>& hosts) {
  std::vector<std::string_view> bytes;
  std::vector<std::string_view> names;
  std::set<std::string_view> served;
  for (const auto& [key, host] : hosts) {
    bytes.emplace_back(host.bytes);
    names.insert(names.end(), host.clusters.begin(), host.clusters.end());
    if (!plan.reserved_hosts.empty()) served.insert(key.host);
  }
  // A listener whose hostname no route serves keeps its requests from the wider listeners beside it.
  std::vector<std::string> reserved;
  for (const std::string& host : plan.reserved_hosts) {
    const auto is_wider = [&host](std::string_view wide) { return translate::covers(wide, host); };
    const bool falls_through =
        !served.contains(host) &&
        (std::ranges::any_of(served, is_wider) || std::ranges::any_of(plan.misdirected_hosts, is_wider));
    if (falls_through) reserved.push_back(xds::render_virtual_host(plan.name, {.host = host, .routes = {}}));
  }
  for (const std::string& host : plan.misdirected_hosts) {
    reserved.push_back(xds::render_virtual_host(plan.name, translate::misdirected_host(host)));
  }
  bytes.insert(bytes.end(), reserved.begin(), reserved.end());
  Rendered table = rendered(xds::assemble_routes(plan.name, bytes));
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  table.names = std::make_shared<const Rendered::Names>(
      Rendered::Names{.clusters = {names.begin(), names.end()}, .route_tables = {}});
  return table;
}

TableFilters filters_of(const std::string& table,
                        const flow::GroupRows<ObjectKey, translate::RouteResult>& routes) {
  TableFilters all;
  // Routes of one policy have the same extensions.
  std::map<std::pair<std::uint32_t, std::string_view>, const ir::ExtensionPtr*> extensions;
  for (const auto& [route, result] : routes) {
    all.filters.insert(result.filters.begin(), result.filters.end());
    for (const auto& [of_table, extension] : result.extensions) {
      if (of_table == table) extensions.try_emplace({extension->index, extension->name}, &extension);
    }
  }
  all.extensions.reserve(extensions.size());
  for (const auto& [order, extension] : extensions) all.extensions.push_back(*extension);
  return all;
}

}  // namespace

RouteTables::RouteTables(Graph& graph, const Gateways& gateways, const Routes& routes)
    : counting(graph.map_many(
          "route tables with statistics of hosts", gateways.proxies,
          [&gateways](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan, Reads& reads) {
            Rows<std::string, translate::Named> rows;
            if (!reads.get(gateways.telemetry, proxy)->counts_hosts) return rows;
            for (const auto& table : plan.route_tables) {
              rows.emplace_back(table.name, translate::Named());
            }
            return rows;
          })),
      routes_of(graph.index("routes by host", routes.all,
                            [](const ObjectKey&, const translate::RouteResult& result) {
                              Groups<HostKey> keys;
                              for (const auto& [host, contribution] : result.contributions) {
                                keys.push_back(host);
                              }
                              return keys;
                            })),
      hosts(graph.group("hosts", routes_of,
                        [this](const HostKey& host, Reads& reads) {
                          return render_host(host, reads.group(routes_of, host),
                                             reads.get(counting, host.table.text()) != nullptr);
                        })),
      hosts_of(graph.index("hosts by route table", hosts,
                           [](const HostKey& key, const HostRow&) { return key.table; })),
      lost(graph.map_many("lost matches", hosts,
                          [](const HostKey& host, const HostRow& row) {
                            Rows<translate::HostRoute, translate::LostMatches> rows;
                            for (const auto& [route, lost_here] : row.lost) {
                              rows.emplace_back(translate::HostRoute{host, route}, lost_here);
                            }
                            return rows;
                          })),
      lost_by(graph.index(
          "lost matches by route", lost,
          [](const translate::HostRoute& key, const translate::LostMatches&) { return key.route; })),
      problems_of_lost(graph.group("problems of lost matches", lost_by,
                                   [this](const ObjectKey& route, Reads& reads) {
                                     return problems_of(route, reads.group(lost_by, route));
                                   })),
      plans(graph.map_many("route table plans", gateways.proxies,
                           [](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan) {
                             Rows<XdsKey, translate::RouteTablePlan> rows;
                             for (const auto& table : plan.route_tables) {
                               rows.emplace_back(XdsKey{proxy, table.name}, table);
                             }
                             return rows;
                           })),
      route_tables(graph.map("route tables", plans,
                             [this](const XdsKey& key, const translate::RouteTablePlan& plan, Reads& reads) {
                               return render_route_table(plan, reads.group(hosts_of, key.name));
                             })),

      routes_with_filters(graph.index("routes with filters by route table", routes.all,
                                      [](const ObjectKey&, const translate::RouteResult& result) {
                                        std::set<std::string> tables;
                                        for (const translate::ParentStatus& parent : result.parents) {
                                          if (!result.filters.empty() || !result.extensions.empty()) {
                                            tables.insert(parent.route_tables.begin(),
                                                          parent.route_tables.end());
                                          }
                                        }
                                        return std::vector<std::string>(tables.begin(), tables.end());
                                      })),
      filters(graph.group("filters of route tables", routes_with_filters,
                          [this](const std::string& table, Reads& reads) {
                            return filters_of(table, reads.group(routes_with_filters, table));
                          })) {}

}  // namespace sluice::control::tables

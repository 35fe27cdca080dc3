#include "control/tables/resources.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "control/picker_plan.h"
#include "control/tables/render.h"
#include "translate/localities.h"
#include "translate/upstream_tls.h"

namespace sluice::control::tables {

using translate::ClusterRow;
using translate::ProxyPlan;
using translate::RouteResult;
using translate::SocketPlan;
using translate::SocketRow;

namespace {

Rendered render_listener(const SocketRow& socket) {
  Rendered row = rendered(xds::render_listener(socket.listener));
  Rendered::Names names;
  names.clusters = socket.clusters;
  for (const ir::HttpChain& chain : socket.listener.chains) names.route_tables.push_back(chain.route_table);
  std::ranges::sort(names.route_tables);
  names.route_tables.erase(std::ranges::unique(names.route_tables).begin(), names.route_tables.end());
  row.names = std::make_shared<const Rendered::Names>(std::move(names));
  return row;
}

// The filter with all that is known of its pool.
Rendered render_picker(const ir::Extension& extension, const ir::EndpointPicker& picker,
                       const translate::PickerPlan* plan) {
  const translate::PickerPlan nothing;
  const translate::PickerPlan& told = plan == nullptr ? nothing : *plan;
  ir::EndpointPicker whole = picker;
  whole.config = fmt::format(R"({{"contents":{},"pool":{}}})", contents_of(told, told.config),
                             nlohmann::json(picker.pool.to_string()).dump());
  ir::Extension with = extension;
  with.filter = std::move(whole);
  return rendered(xds::render_extension(with));
}

// The localities of clusters, for a run of a stage.
auto endpoints_in(const Services& services, Reads& reads) {
  return [&](const ObjectKey& service) { return reads.get(services.endpoints_of, service); };
}

}  // namespace

Resources::Resources(Graph& graph, const Inputs& in, const translate::Projections& projections,
                     const Services& services, const Gateways& gateways, const Routes& routes,
                     const RouteTables& route_tables, const PickedPools& picked)
    : socket_plans(graph.map_many("socket plans", gateways.proxies,
                                  [](const ir::ProxyKey& proxy, const ProxyPlan& plan) {
                                    Rows<XdsKey, SocketPlan> rows;
                                    for (const SocketPlan& socket : plan.sockets) {
                                      rows.emplace_back(XdsKey{proxy, socket.listener.name}, socket);
                                    }
                                    return rows;
                                  })),
      streams_of(graph.index("routes by socket", routes.all,
                             [](const ObjectKey&, const RouteResult& result) {
                               std::set<XdsKey> keys;
                               for (const auto& [socket, contribution] : result.streams) keys.insert(socket);
                               return std::vector<XdsKey>(keys.begin(), keys.end());
                             })),
      sockets(graph.map("sockets", socket_plans,
                        [this, &route_tables](const XdsKey& key, const SocketPlan& plan, Reads& reads) {
                          std::vector<std::pair<ObjectKey, const translate::StreamContribution*>> brought;
                          for (const auto& [route, result] : reads.group(streams_of, key)) {
                            for (const auto& [socket, contribution] : result.streams) {
                              if (socket == key) brought.emplace_back(route, &contribution);
                            }
                          }
                          SocketRow row = translate::assemble_socket(plan, brought);
                          for (ir::HttpChain& chain : row.listener.chains) {
                            if (const auto* filters = reads.get(route_tables.filters, chain.route_table)) {
                              chain.filters = filters->filters;
                              chain.extensions = filters->extensions;
                            }
                          }
                          return row;
                        })),
      listeners(graph.map("listeners", sockets,
                          [](const XdsKey&, const SocketRow& socket) { return render_listener(socket); })),
      extensions(graph.map_many(
          "filters of listeners", sockets,
          [&picked](const XdsKey& key, const SocketRow& socket, Reads& reads) {
            Rows<XdsKey, Rendered> rows;
            std::set<std::string> seen;
            for (const ir::HttpChain& chain : socket.listener.chains) {
              for (const ir::ExtensionPtr& extension : chain.extensions) {
                const auto* picker = std::get_if<ir::EndpointPicker>(&extension->filter);
                if (picker == nullptr || !picker->discovered || !seen.insert(extension->name).second)
                  continue;
                rows.emplace_back(
                    XdsKey{key.proxy, extension->name},
                    render_picker(*extension, *picker, reads.get(picked.pickers, picker->pool)));
              }
            }
            return rows;
          })),
      listener_secrets(graph.map_many("secrets of listeners", gateways.proxies,
                                      [](const ir::ProxyKey& proxy, const ProxyPlan& plan) {
                                        Rows<XdsKey, Rendered> rows;
                                        for (const ir::Secret& secret : plan.secrets) {
                                          rows.emplace_back(XdsKey{proxy, secret.name},
                                                            rendered(xds::render_secret(secret)));
                                        }
                                        return rows;
                                      })),

      route_clusters(
          graph.map_many("clusters of routes", routes.all,
                         [](const ObjectKey&, const RouteResult& result) { return result.clusters; })),
      socket_clusters(graph.map_many("clusters of sockets", sockets,
                                     [](const XdsKey& key, const SocketRow& socket) {
                                       Rows<XdsKey, ClusterRow> rows;
                                       if (std::ranges::binary_search(socket.clusters, ir::kNowhere)) {
                                         ClusterRow nowhere;
                                         nowhere.cluster.name = ir::kNowhere;
                                         nowhere.cluster.discovery = ir::Discovery::kNone;
                                         rows.emplace_back(XdsKey{key.proxy, ir::kNowhere},
                                                           std::move(nowhere));
                                       }
                                       return rows;
                                     })),
      telemetry_clusters(
          graph.map_many("clusters of telemetry", gateways.telemetry,
                         [](const ir::ProxyKey& proxy, const translate::TelemetryRow& row) {
                           std::vector<std::pair<XdsKey, std::shared_ptr<const ClusterRow>>> rows;
                           for (const auto& cluster : row.clusters) {
                             rows.emplace_back(XdsKey{proxy, cluster->cluster.name}, cluster);
                           }
                           return rows;
                         })),
      cluster_rows(graph.unite("cluster rows", flow::Part{route_clusters, same_key},
                               flow::Part{socket_clusters, same_key},
                               flow::Part{telemetry_clusters, same_key})),
      cluster_reports(graph.map("reports of clusters", gateways.telemetry,
                                [](const ir::ProxyKey&, const translate::TelemetryRow& row) {
                                  return row.of_clusters == ir::ClusterReport()
                                             ? std::nullopt
                                             : std::optional(row.of_clusters);
                                })),
      cluster_secrets(graph.map_many(
          "secrets of clusters", cluster_rows,
          [&](const XdsKey& key, const ClusterRow& row, Reads& reads) {
            Rows<XdsKey, Rendered> rows;
            for (const translate::SecretSource& source : row.secrets) {
              const ir::Secret secret = translate::read_secret(source, in.objects, projections, reads);
              rows.emplace_back(XdsKey{key.proxy, source.name}, rendered(xds::render_secret(secret)));
            }
            return rows;
          })),
      route_secrets(graph.map_many("secrets of routes", routes.all,
                                   [&](const ObjectKey&, const RouteResult& result, Reads& reads) {
                                     Rows<XdsKey, Rendered> rows;
                                     for (const auto& [key, source] : result.secrets) {
                                       const ir::Secret secret =
                                           translate::read_secret(source, in.objects, projections, reads);
                                       rows.emplace_back(key, rendered(xds::render_secret(secret)));
                                     }
                                     return rows;
                                   })),
      clusters(graph.map("clusters", cluster_rows,
                         [this, &services](const XdsKey& key, const ClusterRow& row, Reads& reads) {
                           const ir::ClusterReport* wanted = reads.get(cluster_reports, key.proxy.text());
                           const ir::ClusterReport report = wanted != nullptr ? *wanted : ir::ClusterReport();
                           if (row.cluster.discovery != ir::Discovery::kDns) {
                             return rendered(xds::render_cluster(row.cluster, report));
                           }
                           ir::Cluster resolving = row.cluster;
                           std::vector<ir::Locality> room;
                           const auto localities =
                               translate::localities_of(row, endpoints_in(services, reads), room);
                           resolving.dns_localities.assign(localities.begin(), localities.end());
                           return rendered(xds::render_cluster(resolving, report));
                         })),
      endpoints(graph.map(
          "endpoints", cluster_rows,
          [&services](const XdsKey& key, const ClusterRow& row, Reads& reads) -> std::optional<Rendered> {
            if (row.cluster.discovery != ir::Discovery::kEds) return std::nullopt;
            std::vector<ir::Locality> room;
            const auto localities = translate::localities_of(row, endpoints_in(services, reads), room);
            const ir::Cluster& cluster = row.cluster;
            return rendered(xds::render_endpoints(key.name, localities, cluster.tls.has_value(),
                                                  cluster.settings ? cluster.settings->health_port() : 0));
          })),

      secrets(graph.unite("secrets", flow::Part{listener_secrets, same_key},
                          flow::Part{cluster_secrets, same_key}, flow::Part{route_secrets, same_key})) {}

}  // namespace sluice::control::tables

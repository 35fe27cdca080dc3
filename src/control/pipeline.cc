#include "control/pipeline.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/container/inlined_vector.h"

#include "translate/addresses.h"
#include "translate/backend.h"
#include "translate/certificate.h"
#include "translate/gateway.h"
#include "translate/grpc_route.h"
#include "translate/hostname.h"
#include "translate/http_route.h"
#include "translate/listener_set.h"
#include "translate/localities.h"
#include "translate/policy/backend_tls.h"
#include "translate/port_claims.h"
#include "translate/proxy_plan.h"
#include "translate/reference.h"
#include "translate/refusal.h"
#include "translate/socket.h"
#include "translate/status.h"
#include "translate/stream_route.h"
#include "translate/tables.h"
#include "translate/unserved.h"
#include "translate/upstream_tls.h"
#include "translate/virtual_host.h"

namespace sluice::control {
namespace {

using flow::Graph;
using flow::Index;
using flow::Input;
using flow::Reads;
using flow::Table;
using translate::HostKey;
using translate::XdsKey;
using xds::ResourceType;

template <typename K, typename V>
using Rows = std::vector<std::pair<K, V>>;

// Of an index, a row's: mostly few.
template <typename G>
using Groups = absl::InlinedVector<G, 2>;

Rendered rendered(std::string bytes) {
  Rendered out;
  out.version = xds::content_hash(bytes);
  out.bytes = std::make_shared<const std::string>(std::move(bytes));
  return out;
}

// One host of a route table, ready to be copied into it.
struct HostRow {
  std::string bytes;
  std::vector<std::string> clusters;
  translate::Overlaps overlaps;

  bool operator==(const HostRow&) const = default;
};

HostRow render_host(const HostKey& key, const flow::GroupRows<ObjectKey, translate::RouteResult>& routes) {
  std::vector<std::pair<ObjectKey, const translate::Contribution*>> contributions;
  for (const auto& [route, result] : routes) {
    const auto at =
        std::ranges::lower_bound(result.contributions, key, {}, [](const auto& c) { return c.first; });
    contributions.emplace_back(route, &at->second);
  }
  const translate::MergedHost merged = translate::merge_host(key.host, contributions);
  return {.bytes = xds::render_virtual_host(key.table, merged.host),
          .clusters = translate::clusters_of(merged.host),
          .overlaps = merged.overlaps};
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

Rendered render_listener(const translate::SocketRow& socket) {
  Rendered row = rendered(xds::render_listener(socket.listener));
  Rendered::Names names;
  names.clusters = socket.clusters;
  for (const ir::HttpChain& chain : socket.listener.chains) names.route_tables.push_back(chain.route_table);
  std::ranges::sort(names.route_tables);
  names.route_tables.erase(std::ranges::unique(names.route_tables).begin(), names.route_tables.end());
  row.names = std::make_shared<const Rendered::Names>(std::move(names));
  return row;
}

template <typename T>
ObjectKey object_key(const NamespacedName& name) {
  return {.kind = api::kind_of<T>(), .name = name};
}

// The translation of an object, or of its last good version where a proxy refused this one.
template <typename T, typename Translate>
auto unless_refused(const Table<ObjectKey, Refusal>& refusals, const NamespacedName& name, const T& object,
                    Reads& reads, Translate translate) {
  const ObjectKey key = object_key<T>(name);
  const Refusal* refusal = reads.get(refusals, key);
  if (refusal == nullptr || *std::get<std::shared_ptr<const T>>(refusal->refused) != object) {
    return translate(object);
  }
  if (refusal->last_good) {
    const T& last_good = *std::get<std::shared_ptr<const T>>(*refusal->last_good);
    return translate::served_instead(translate(last_good), key, refusal->message, refusal->guilty);
  }
  return translate::served_hardly(translate(object), key, refusal->message, refusal->guilty);
}

// To which aggregates a row brings something.
std::set<std::string> aggregates_of(const translate::RouteResult& route) {
  std::set<std::string> aggregates;
  for (const auto& [host, contribution] : route.contributions) aggregates.insert(host.table);
  for (const auto& [socket, contribution] : route.streams) aggregates.insert(socket.proxy);
  return aggregates;
}
std::set<std::string> aggregates_of(const translate::GatewayPlan& gateway) { return {gateway.proxy}; }
std::set<std::string> aggregates_of(const translate::ListenerSetPlan& set,
                                    const Table<NamespacedName, translate::GatewayPlan>& gateways) {
  const translate::GatewayPlan* gateway = set.attached ? gateways.get(set.gateway) : nullptr;
  return gateway == nullptr ? std::set<std::string>() : aggregates_of(*gateway);
}

// Whether it is the same.
bool brings_the_same(const translate::RouteResult& a, const translate::RouteResult& b) {
  return a.contributions == b.contributions && a.streams == b.streams;
}
bool brings_the_same(const translate::GatewayPlan& a, const translate::GatewayPlan& b) { return a == b; }
bool brings_the_same(const translate::ListenerSetPlan& a, const translate::ListenerSetPlan& b) {
  return a.gateway == b.gateway && a.listeners == b.listeners;
}

// One row for all: that there is one is all it says.
const std::shared_ptr<const translate::Named> kNamed = std::make_shared<const translate::Named>();

}  // namespace

// Every table, in the order of the data's way. A stage reads only tables above it.
struct Pipeline::Tables {
  explicit Tables(translate::Settings with) : settings(std::move(with)) {}

  const translate::Settings settings;
  Graph graph;

  // ---- the user's objects, and what came back from the proxies ----
  const translate::Inputs in = translate::Inputs::declare(graph);
  Input<ObjectKey, Refusal>& refused = graph.input<ObjectKey, Refusal>("refused objects");
  Input<std::string, translate::HostAddresses>& host_addresses =
      graph.input<std::string, translate::HostAddresses>("host addresses");
  Input<XdsKey, translate::Unserved>& unserved = graph.input<XdsKey, translate::Unserved>("unserved sockets");
  Input<ir::ProxyKey, ProxyState>& proxy_states = graph.input<ir::ProxyKey, ProxyState>("proxy states");

  // ---- projections: what others read of an object, so that the rest of it may change freely ----
  const Table<NamespacedName, api::StringMap>& namespace_labels =
      graph.map("namespace labels", in.namespaces,
                [](const NamespacedName&, const api::Namespace& n) { return n.metadata.labels; });
  const Index<std::string, NamespacedName, api::ReferenceGrant>& grants_in =
      graph.index("grants by namespace", in.reference_grants,
                  [](const NamespacedName& name, const api::ReferenceGrant&) { return name.namespace_; });
  const Table<NamespacedName, translate::CertificateRow>& certificates =
      graph.map("certificates", in.secrets,
                [](const NamespacedName&, const api::Secret& s) { return translate::read_certificate(s); });
  const Table<NamespacedName, translate::ServiceView>& own_services =
      graph.map("own services", in.services,
                [](const NamespacedName&, const api::Service& s) { return translate::view_service(s); });
  const Table<NamespacedName, translate::ServiceView>& imported_services =
      graph.map("imported services", in.service_imports,
                [](const NamespacedName&, const api::ServiceImport& i) { return translate::view_import(i); });
  const Table<ObjectKey, translate::ServiceView>& services =
      graph.unite("services", flow::Part{own_services, object_key<api::Service>},
                  flow::Part{imported_services, object_key<api::ServiceImport>});

  // ---- endpoints ----
  const Index<ObjectKey, NamespacedName, api::EndpointSlice>& slices_of = graph.index(
      "slices by service", in.endpoint_slices,
      [](const NamespacedName&, const api::EndpointSlice& s) { return translate::services_of(s); });
  const Table<ObjectKey, translate::ServiceEndpoints>& endpoints_of =
      graph.group("endpoints of services", slices_of, [this](const ObjectKey& service, Reads& reads) {
        std::vector<const api::EndpointSlice*> slices;
        for (const auto& [name, slice] : reads.group(slices_of, service)) slices.push_back(&slice);
        const translate::ServiceView* view = reads.get(services, service);
        return translate::join_slices(slices, view != nullptr && view->prefer_local_zone,
                                      view != nullptr && view->publish_not_ready);
      });
  const Table<ObjectKey, translate::ServiceReadiness>& readiness =
      graph.map("readiness of services", endpoints_of,
                [](const ObjectKey&, const translate::ServiceEndpoints& of_service) {
                  translate::ServiceReadiness row{
                      .ports = {}, .addresses = of_service.addresses, .names = of_service.names};
                  for (const auto& [port, localities] : of_service.by_port) row.ports.insert(port);
                  return row;
                });

  // ---- names, for suggestions ----
  template <typename T>
  const Table<NamespacedName, translate::Named>& names_of(std::string name,
                                                          const Input<NamespacedName, T>& objects) {
    return graph.map(std::move(name), objects, [](const NamespacedName&, const T&) { return kNamed; });
  }
  const Table<ObjectKey, translate::Named>& all_names = graph.unite(
      "names",
      flow::Part{names_of("names of GatewayClasses", in.gateway_classes), object_key<api::GatewayClass>},
      flow::Part{names_of("names of EnvoyProxies", in.envoy_proxies), object_key<api::EnvoyProxy>},
      flow::Part{names_of("names of Gateways", in.gateways), object_key<api::Gateway>},
      flow::Part{names_of("names of ListenerSets", in.listener_sets), object_key<api::ListenerSet>},
      flow::Part{names_of("names of Services", in.services), object_key<api::Service>},
      flow::Part{names_of("names of ServiceImports", in.service_imports), object_key<api::ServiceImport>},
      flow::Part{names_of("names of Backends", in.backends), object_key<api::Backend>},
      flow::Part{names_of("names of Secrets", in.secrets), object_key<api::Secret>},
      flow::Part{names_of("names of ConfigMaps", in.config_maps), object_key<api::ConfigMap>},
      flow::Part{names_of("names of ClusterTrustBundles", in.cluster_trust_bundles),
                 object_key<api::ClusterTrustBundle>});
  const Index<translate::NameGroup, ObjectKey, translate::Named>& names =
      graph.index("names by namespace", all_names, [](const ObjectKey& object, const translate::Named&) {
        using By = translate::NameGroup::By;
        Groups<translate::NameGroup> groups;
        groups.push_back({object.kind, By::kNamespace, object.name.namespace_});
        groups.push_back({object.kind, By::kName, object.name.name});
        return groups;
      });

  // ---- classes ----
  const Index<std::string, NamespacedName, api::GatewayClass>& classes_of =
      graph.index("classes by controller", in.gateway_classes,
                  [](const NamespacedName&, const api::GatewayClass& c) { return c.spec.controller_name; });
  const Table<NamespacedName, translate::ClassRow>& classes =
      graph.map("classes", in.gateway_classes,
                [this](const NamespacedName& name, const api::GatewayClass& c, Reads& reads) {
                  return translate::translate_class(name, c, settings, in, projections, reads);
                });

  // ---- TLS to backends ----
  const Table<NamespacedName, translate::BackendTlsPolicyRow>& backend_tls_policies =
      graph.map("backend TLS policies", in.backend_tls_policies,
                [this](const NamespacedName& name, const api::BackendTLSPolicy& policy, Reads& reads) {
                  return translate::read_backend_tls_policy(name, policy, in, projections, reads);
                });
  const Index<ObjectKey, NamespacedName, translate::BackendTlsPolicyRow>& backend_tls_policies_of =
      graph.index("backend TLS policies by target", backend_tls_policies,
                  [](const NamespacedName&, const translate::BackendTlsPolicyRow& row) {
                    return translate::objects_of(row.targets);
                  });
  const Table<NamespacedName, translate::PolicyProblems>& backend_tls_targets =
      graph.map("targets of backend TLS policies", backend_tls_policies,
                [this](const NamespacedName& name, const translate::BackendTlsPolicyRow& row, Reads& reads) {
                  return translate::check_backend_tls_policy(name, row, in, projections, reads);
                });
  const Table<NamespacedName, translate::BackendRow>& backends = graph.map(
      "backends", in.backends, [this](const NamespacedName& name, const api::Backend& backend, Reads& reads) {
        return translate::read_backend(name, backend, settings, in, projections, reads);
      });
  const translate::Projections projections{
      classes,   classes_of, namespace_labels,        grants_in, certificates,  services,
      readiness, backends,   backend_tls_policies_of, names,     host_addresses};

  // ---- Gateways and their proxies ----
  const Table<NamespacedName, translate::GatewayPlan>& gateways = graph.map(
      "gateways", in.gateways, [this](const NamespacedName& name, const api::Gateway& g, Reads& reads) {
        return unless_refused(refused, name, g, reads, [&](const api::Gateway& version) {
          return translate::plan_gateway(name, version, settings, in, projections, reads);
        });
      });
  const Table<NamespacedName, translate::ClasslessGateway>& classless_gateways =
      graph.map("gateways without a class", in.gateways,
                [this](const NamespacedName& name, const api::Gateway& gateway, Reads& reads) {
                  return translate::find_classless(name, gateway, settings, in, projections, reads);
                });
  const Table<NamespacedName, translate::ListenerDoor>& listener_doors = graph.map(
      "listener doors", in.gateways, [this](const NamespacedName&, const api::Gateway& g, Reads& reads) {
        return translate::listener_door(g, settings, projections, reads);
      });
  const Table<NamespacedName, translate::ListenerSetPlan>& listener_sets = graph.map(
      "listener sets", in.listener_sets,
      [this](const NamespacedName& name, const api::ListenerSet& set, Reads& reads) {
        return unless_refused(refused, name, set, reads, [&](const api::ListenerSet& version) {
          return translate::plan_listener_set(name, version, in, projections, listener_doors, reads);
        });
      });
  const Index<NamespacedName, NamespacedName, translate::ListenerSetPlan>& listener_sets_of =
      graph.index("listener sets by gateway", listener_sets,
                  [](const NamespacedName&, const translate::ListenerSetPlan& plan) {
                    return plan.attached ? std::optional(plan.gateway) : std::nullopt;
                  });
  const Index<ir::ProxyKey, NamespacedName, translate::GatewayPlan>& gateways_of =
      graph.index("gateways by proxy", gateways,
                  [](const NamespacedName&, const translate::GatewayPlan& plan) { return plan.proxy; });
  const Table<ir::ProxyKey, translate::ProxyPlan>& lone_proxies =
      graph.group("proxies by themselves", gateways_of, [this](const ir::ProxyKey& proxy, Reads& reads) {
        std::vector<translate::GatewayPlan> plans;
        for (const auto& [name, plan] : reads.group(gateways_of, proxy)) {
          std::vector<const translate::ListenerSetPlan*> sets;
          for (const auto& [set, its_plan] : reads.group(listener_sets_of, name)) sets.push_back(&its_plan);
          plans.push_back(plan);
          translate::join_listener_sets(plans.back(), std::move(sets));
        }
        return translate::plan_proxy(proxy, std::move(plans), settings);
      });
  const Table<XdsKey, translate::PortClaim>& port_claims = graph.map_many(
      "claims to ports", lone_proxies, [this](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan) {
        return settings.on_host ? translate::port_claims(proxy, plan) : Rows<XdsKey, translate::PortClaim>();
      });
  const Index<translate::HostPort, XdsKey, translate::PortClaim>& claims_of =
      graph.index("claims by port", port_claims,
                  [](const XdsKey&, const translate::PortClaim& claim) { return claim.port; });
  const Table<translate::HostPort, translate::LostPorts>& lost_ports =
      graph.group("lost ports", claims_of, [this](const translate::HostPort& port, Reads& reads) {
        std::vector<std::pair<XdsKey, const translate::PortClaim*>> claims;
        for (const auto& [socket, claim] : reads.group(claims_of, port)) claims.emplace_back(socket, &claim);
        return translate::settle_port(claims);
      });
  const Table<ir::ProxyKey, translate::ProxyPlan>& proxies = graph.map(
      "proxies", lone_proxies,
      [this](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan, Reads& reads) {
        return translate::give_way(
            plan, [&](const translate::SocketPlan& socket) -> const translate::PortClaim* {
              const translate::LostPorts* lost = reads.get(
                  lost_ports, translate::HostPort{socket.listener.port, socket.listener.udp.has_value()});
              if (lost == nullptr) return nullptr;
              const auto at = lost->find(XdsKey{proxy, socket.listener.name});
              return at == lost->end() ? nullptr : &at->second;
            });
      });
  const Table<NamespacedName, translate::GatewayPlan>& served_gateways =
      graph.map_many("served gateways", proxies, [](const ir::ProxyKey&, const translate::ProxyPlan& plan) {
        Rows<NamespacedName, translate::GatewayPlan> rows;
        for (const translate::GatewayPlan& gateway : plan.gateways)
          rows.emplace_back(gateway.gateway, gateway);
        return rows;
      });
  const Table<NamespacedName, translate::ServedListenerSet>& served_listener_sets = graph.map_many(
      "served listener sets", served_gateways, [](const NamespacedName&, const translate::GatewayPlan& plan) {
        return translate::served_listener_sets(plan);
      });
  const Table<ObjectKey, translate::AttachPoints>& attach_points = graph.map_many(
      "attach points", served_gateways, [this](const NamespacedName&, const translate::GatewayPlan& plan) {
        return translate::attach_points(plan, settings);
      });

  // ---- routes: each kind by itself, then all as one table. What follows reads only that one ----
  using RouteTable = Table<NamespacedName, translate::RouteResult>;
  const translate::RouteEnvironment route_environment{settings, in, projections, attach_points};
  const RouteTable& http_routes = translated("http routes", in.http_routes, translate::translate_http_route);
  const RouteTable& grpc_routes = translated("grpc routes", in.grpc_routes, translate::translate_grpc_route);
  const RouteTable& tls_routes = translated("tls routes", in.tls_routes, translate::translate_tls_route);
  const RouteTable& tcp_routes = translated("tcp routes", in.tcp_routes, translate::translate_tcp_route);
  const RouteTable& udp_routes = translated("udp routes", in.udp_routes, translate::translate_udp_route);
  const Table<ObjectKey, translate::RouteResult>& routes = graph.unite(
      "routes", flow::Part{http_routes, object_key<api::HTTPRoute>},
      flow::Part{grpc_routes, object_key<api::GRPCRoute>}, flow::Part{tls_routes, object_key<api::TLSRoute>},
      flow::Part{tcp_routes, object_key<api::TCPRoute>}, flow::Part{udp_routes, object_key<api::UDPRoute>});
  const Index<HostKey, ObjectKey, translate::RouteResult>& routes_of =
      graph.index("routes by host", routes, [](const ObjectKey&, const translate::RouteResult& result) {
        Groups<HostKey> keys;
        for (const auto& [host, contribution] : result.contributions) keys.push_back(host);
        return keys;
      });
  const Table<HostKey, HostRow>& hosts = graph.group(
      "hosts", routes_of,
      [this](const HostKey& host, Reads& reads) { return render_host(host, reads.group(routes_of, host)); });
  const Index<std::string, HostKey, HostRow>& hosts_of = graph.index(
      "hosts by route table", hosts, [](const HostKey& key, const HostRow&) { return key.table; });

  // The HTTP filters that the routes of a table need.
  const Index<std::string, ObjectKey, translate::RouteResult>& routes_with_filters =
      graph.index("routes with filters by route table", routes,
                  [](const ObjectKey&, const translate::RouteResult& result) {
                    std::set<std::string> tables;
                    for (const translate::ParentStatus& parent : result.parents) {
                      if (!result.filters.empty())
                        tables.insert(parent.route_tables.begin(), parent.route_tables.end());
                    }
                    return std::vector<std::string>(tables.begin(), tables.end());
                  });
  const Table<std::string, std::set<ir::RouteFilter>>& route_filters = graph.group(
      "filters of route tables", routes_with_filters, [this](const std::string& table, Reads& reads) {
        std::set<ir::RouteFilter> all;
        for (const auto& [route, result] : reads.group(routes_with_filters, table)) {
          all.insert(result.filters.begin(), result.filters.end());
        }
        return all;
      });

  // ---- what ADS serves ----
  std::span<const ir::Locality> localities_of(const translate::ClusterRow& row, Reads& reads,
                                              std::vector<ir::Locality>& room) const {
    return translate::localities_of(
        row, [&](const ObjectKey& service) { return reads.get(endpoints_of, service); }, room);
  }
  const Table<XdsKey, translate::RouteTablePlan>& route_table_plans = graph.map_many(
      "route table plans", proxies, [](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan) {
        Rows<XdsKey, translate::RouteTablePlan> rows;
        for (const auto& table : plan.route_tables) rows.emplace_back(XdsKey{proxy, table.name}, table);
        return rows;
      });
  const RenderedTable& route_tables =
      graph.map("route tables", route_table_plans,
                [this](const XdsKey& key, const translate::RouteTablePlan& plan, Reads& reads) {
                  return render_route_table(plan, reads.group(hosts_of, key.name));
                });
  const Table<XdsKey, translate::SocketPlan>& socket_plans = graph.map_many(
      "socket plans", proxies, [](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan) {
        Rows<XdsKey, translate::SocketPlan> rows;
        for (const auto& socket : plan.sockets)
          rows.emplace_back(XdsKey{proxy, socket.listener.name}, socket);
        return rows;
      });
  const Index<XdsKey, ObjectKey, translate::RouteResult>& streams_of =
      graph.index("routes by socket", routes, [](const ObjectKey&, const translate::RouteResult& result) {
        std::set<XdsKey> keys;
        for (const auto& [socket, contribution] : result.streams) keys.insert(socket);
        return std::vector<XdsKey>(keys.begin(), keys.end());
      });
  const Table<XdsKey, translate::SocketRow>& sockets = graph.map(
      "sockets", socket_plans, [this](const XdsKey& key, const translate::SocketPlan& plan, Reads& reads) {
        std::vector<std::pair<ObjectKey, const translate::StreamContribution*>> brought;
        for (const auto& [route, result] : reads.group(streams_of, key)) {
          for (const auto& [socket, contribution] : result.streams) {
            if (socket == key) brought.emplace_back(route, &contribution);
          }
        }
        translate::SocketRow row = translate::assemble_socket(plan, brought);
        for (ir::HttpChain& chain : row.listener.chains) {
          if (const auto* filters = reads.get(route_filters, chain.route_table)) chain.filters = *filters;
        }
        return row;
      });
  const RenderedTable& listeners =
      graph.map("listeners", sockets,
                [](const XdsKey&, const translate::SocketRow& socket) { return render_listener(socket); });
  const RenderedTable& listener_secrets = graph.map_many(
      "secrets of listeners", proxies, [](const ir::ProxyKey& proxy, const translate::ProxyPlan& plan) {
        Rows<XdsKey, Rendered> rows;
        for (const ir::Secret& secret : plan.secrets) {
          rows.emplace_back(XdsKey{proxy, secret.name}, rendered(xds::render_secret(secret)));
        }
        return rows;
      });
  const Table<XdsKey, translate::ClusterRow>& route_clusters =
      graph.map_many("clusters of routes", routes,
                     [](const ObjectKey&, const translate::RouteResult& result) { return result.clusters; });
  const Table<XdsKey, translate::ClusterRow>& socket_clusters = graph.map_many(
      "clusters of sockets", sockets, [](const XdsKey& key, const translate::SocketRow& socket) {
        Rows<XdsKey, translate::ClusterRow> rows;
        if (std::ranges::binary_search(socket.clusters, ir::kNowhere)) {
          translate::ClusterRow nowhere;
          nowhere.cluster.name = ir::kNowhere;
          nowhere.cluster.discovery = ir::Discovery::kNone;
          rows.emplace_back(XdsKey{key.proxy, ir::kNowhere}, std::move(nowhere));
        }
        return rows;
      });
  const Table<XdsKey, translate::ClusterRow>& cluster_rows =
      graph.unite("cluster rows", flow::Part{route_clusters, [](const XdsKey& key) { return key; }},
                  flow::Part{socket_clusters, [](const XdsKey& key) { return key; }});
  const RenderedTable& cluster_secrets = graph.map_many(
      "secrets of clusters", cluster_rows,
      [this](const XdsKey& key, const translate::ClusterRow& row, Reads& reads) {
        Rows<XdsKey, Rendered> rows;
        for (const translate::SecretSource& source : row.secrets) {
          rows.emplace_back(
              XdsKey{key.proxy, source.name},
              rendered(xds::render_secret(translate::read_secret(source, in, projections, reads))));
        }
        return rows;
      });
  const RenderedTable& secrets =
      graph.unite("secrets", flow::Part{listener_secrets, [](const XdsKey& key) { return key; }},
                  flow::Part{cluster_secrets, [](const XdsKey& key) { return key; }});
  const RenderedTable& clusters = graph.map(
      "clusters", cluster_rows, [this](const XdsKey&, const translate::ClusterRow& row, Reads& reads) {
        if (row.cluster.discovery != ir::Discovery::kDns) return rendered(xds::render_cluster(row.cluster));
        ir::Cluster resolving = row.cluster;
        std::vector<ir::Locality> room;
        const auto localities = localities_of(row, reads, room);
        resolving.dns_localities.assign(localities.begin(), localities.end());
        return rendered(xds::render_cluster(resolving));
      });
  const RenderedTable& endpoints = graph.map(
      "endpoints", cluster_rows,
      [this](const XdsKey& key, const translate::ClusterRow& row, Reads& reads) -> std::optional<Rendered> {
        if (row.cluster.discovery != ir::Discovery::kEds) return std::nullopt;
        std::vector<ir::Locality> room;
        return rendered(
            xds::render_endpoints(key.name, localities_of(row, reads, room), row.cluster.tls.has_value()));
      });

  // ---- statuses ----
  const Table<XdsKey, translate::SocketProblems>& unserved_problems =
      graph.map("problems of unserved sockets", unserved,
                [this](const XdsKey& key, const translate::Unserved& why,
                       Reads& reads) -> std::optional<translate::SocketProblems> {
                  std::vector<const translate::ListenerPlan*> of_it;
                  const translate::ProxyPlan* plan = reads.get(proxies, key.proxy);
                  if (plan == nullptr) return std::nullopt;
                  for (const translate::GatewayPlan& gateway : plan->gateways) {
                    for (const translate::ListenerPlan& listener : gateway.listeners) {
                      if (listener.socket == key.name || listener.route_table == key.name)
                        of_it.push_back(&listener);
                    }
                  }
                  if (of_it.empty()) return std::nullopt;
                  return translate::SocketProblems{{translate::unserved_problem(why, of_it)}};
                });
  // Marks the listeners of which the proxy does not serve the socket or the routes; true where it serves
  // none.
  bool mark_unserved(const ir::ProxyKey& proxy, std::vector<translate::ListenerPlan>& all_listeners,
                     Reads& reads) const {
    bool some = false;
    bool all = true;
    for (translate::ListenerPlan& listener : all_listeners) {
      if (listener.socket.empty()) continue;
      const translate::Unserved* why = reads.get(unserved, XdsKey{proxy, listener.socket});
      if (why == nullptr) why = reads.get(unserved, XdsKey{proxy, listener.route_table});
      if (why == nullptr) {
        all = false;
        continue;
      }
      some = true;
      translate::set_unserved(listener, *why);
    }
    return some && all;
  }
  const Index<translate::ListenerKey, ObjectKey, translate::RouteResult>& attached =
      graph.index("attached routes", routes, [](const ObjectKey&, const translate::RouteResult& result) {
        Groups<translate::ListenerKey> keys;
        for (const translate::ParentStatus& parent : result.parents) {
          for (const std::string& listener : parent.attached_listeners)
            keys.push_back({parent.parent, listener});
        }
        return keys;
      });
  const Index<ObjectKey, HostKey, HostRow>& overlaps_of =
      graph.index("overlaps by route", hosts, [](const HostKey&, const HostRow& host) {
        std::vector<ObjectKey> keys;
        for (const auto& [route, others] : host.overlaps) keys.push_back(route);
        return keys;
      });
  const StatusTable& class_statuses =
      graph.map("statuses of classes", classes,
                [this](const NamespacedName& name, const translate::ClassRow& row,
                       Reads& reads) -> std::optional<translate::ObjectStatus> {
                  if (!row.ours) return std::nullopt;
                  return translate::class_status(*reads.get(in.gateway_classes, name), row);
                });
  const StatusTable& gateway_statuses = graph.map(
      "statuses of gateways", served_gateways,
      [this](const NamespacedName& name, const translate::GatewayPlan& served,
             Reads& reads) -> std::optional<translate::ObjectStatus> {
        const api::Gateway* gateway = reads.get(in.gateways, name);
        if (gateway == nullptr) return std::nullopt;
        translate::GatewayPlan plan = served;
        const bool deaf = mark_unserved(plan.proxy, plan.listeners, reads);
        translate::ObjectStatus status = translate::gateway_status(
            *gateway, plan,
            [&](const translate::ListenerKey& listener) { return reads.group(attached, listener).size(); });
        if (const ProxyState* state = reads.get(proxy_states, plan.proxy)) {
          const bool serves = state->ready && state->programmed && !deaf;
          translate::add_proxy_conditions(status, serves,
                                          deaf ? "None of its listeners can be served" : state->message);
          if (serves && plan.accepted) {
            status.addresses = translate::addresses_of(plan, reads.get(host_addresses, translate::kHost));
          }
        }
        return status;
      });
  const StatusTable& listener_set_statuses = graph.map(
      "statuses of listener sets", listener_sets,
      [this](const NamespacedName& name, const translate::ListenerSetPlan& plan,
             Reads& reads) -> std::optional<translate::ObjectStatus> {
        const api::ListenerSet* set = reads.get(in.listener_sets, name);
        if (set == nullptr || (!plan.attached && plan.conditions.empty())) return std::nullopt;
        const translate::ServedListenerSet* row = reads.get(served_listener_sets, name);
        std::optional<translate::ServedListenerSet> served;
        if (row != nullptr) {
          served = *row;
          mark_unserved(served->proxy, served->listeners, reads);
        }
        translate::ObjectStatus status = translate::listener_set_status(
            set->metadata.generation, plan, served ? &*served : nullptr,
            [&](const translate::ListenerKey& listener) { return reads.group(attached, listener).size(); });
        const ProxyState* state = served ? reads.get(proxy_states, served->proxy) : nullptr;
        if (state != nullptr && !(state->ready && state->programmed)) {
          translate::await_proxy(status, state->message);
        }
        return status;
      });
  const StatusTable& http_route_statuses =
      route_statuses("statuses of http routes", in.http_routes, http_routes);
  const StatusTable& grpc_route_statuses =
      route_statuses("statuses of grpc routes", in.grpc_routes, grpc_routes);
  const StatusTable& tls_route_statuses = route_statuses("statuses of tls routes", in.tls_routes, tls_routes);
  const StatusTable& tcp_route_statuses = route_statuses("statuses of tcp routes", in.tcp_routes, tcp_routes);
  const StatusTable& udp_route_statuses = route_statuses("statuses of udp routes", in.udp_routes, udp_routes);
  const StatusTable& backend_statuses =
      graph.map("statuses of backends", in.backends,
                [this](const NamespacedName& name, const api::Backend& backend, Reads& reads) {
                  return translate::backend_status(backend, *reads.get(backends, name), settings);
                });
  const Index<NamespacedName, ObjectKey, translate::RouteResult>& met_by = graph.index(
      "routes by backend TLS policy", routes, [](const ObjectKey&, const translate::RouteResult& result) {
        std::vector<NamespacedName> policies;
        for (const translate::PolicyUse& use : result.backend_tls_policies) policies.push_back(use.policy);
        return policies;
      });
  const StatusTable& backend_tls_policy_statuses =
      graph.map("statuses of backend TLS policies", in.backend_tls_policies,
                [this](const NamespacedName& name, const api::BackendTLSPolicy& policy, Reads& reads) {
                  std::vector<translate::PolicyUse> uses;
                  for (const auto& [route, result] : reads.group(met_by, name)) {
                    for (const translate::PolicyUse& use : result.backend_tls_policies) {
                      if (use.policy == name) uses.push_back(use);
                    }
                  }
                  return translate::backend_tls_policy_status(policy, *reads.get(backend_tls_policies, name),
                                                              std::move(uses));
                });
  const Index<NamespacedName, NamespacedName, translate::GatewayPlan>& gateways_with = graph.index(
      "gateways by EnvoyProxy", served_gateways,
      [](const NamespacedName&, const translate::GatewayPlan& plan) { return plan.own_envoy_proxy; });
  const StatusTable& envoy_proxy_statuses =
      graph.map("statuses of EnvoyProxies", in.envoy_proxies,
                [this](const NamespacedName& name, const api::EnvoyProxy& envoy_proxy,
                       Reads& reads) -> std::optional<translate::ObjectStatus> {
                  std::vector<NamespacedName> used_by;
                  for (const auto& [gateway, plan] : reads.group(gateways_with, name))
                    used_by.push_back(gateway);
                  if (used_by.empty()) return std::nullopt;
                  return translate::envoy_proxy_status(envoy_proxy, used_by);
                });

  const std::vector<Statuses> statuses{{api::kind_of<api::GatewayClass>(), class_statuses},
                                       {api::kind_of<api::Gateway>(), gateway_statuses},
                                       {api::kind_of<api::ListenerSet>(), listener_set_statuses},
                                       {api::kind_of<api::HTTPRoute>(), http_route_statuses},
                                       {api::kind_of<api::GRPCRoute>(), grpc_route_statuses},
                                       {api::kind_of<api::BackendTLSPolicy>(), backend_tls_policy_statuses},
                                       {api::kind_of<api::TLSRoute>(), tls_route_statuses},
                                       {api::kind_of<api::TCPRoute>(), tcp_route_statuses},
                                       {api::kind_of<api::UDPRoute>(), udp_route_statuses},
                                       {api::kind_of<api::Backend>(), backend_statuses},
                                       {api::kind_of<api::EnvoyProxy>(), envoy_proxy_statuses}};

  // The routes of one kind.
  template <typename T, typename Translate>
  const RouteTable& translated(std::string name, const Input<NamespacedName, T>& objects,
                               Translate translate) {
    return graph.map(std::move(name), objects,
                     [this, translate](const NamespacedName& route, const T& object, Reads& reads) {
                       return unless_refused(refused, route, object, reads, [&](const T& version) {
                         return translate(route, version, route_environment, reads);
                       });
                     });
  }

  // The statuses of one kind of routes.
  template <typename T>
  const StatusTable& route_statuses(std::string name, const Input<NamespacedName, T>& objects,
                                    const RouteTable& results) {
    return graph.map(std::move(name), results,
                     [this, &objects](const NamespacedName& route, const translate::RouteResult& result,
                                      Reads& reads) -> std::optional<translate::ObjectStatus> {
                       const T* object = reads.get(objects, route);
                       if (object == nullptr || result.parents.empty()) return std::nullopt;
                       const ObjectKey key = object_key<T>(route);
                       std::map<std::string, std::set<ObjectKey>> overlaps;
                       for (const auto& [host, row] : reads.group(overlaps_of, key)) {
                         const auto mine = row.overlaps.find(key);
                         if (mine != row.overlaps.end())
                           overlaps[host.table].insert(mine->second.begin(), mine->second.end());
                       }
                       return translate::route_status(object->metadata.generation, result, overlaps);
                     });
  }

  // The input table of a bound type.
  template <typename T>
  Input<NamespacedName, T>& table() const {
    const auto inputs =
        std::tie(in.gateway_classes, in.gateways, in.listener_sets, in.http_routes, in.grpc_routes,
                 in.tls_routes, in.tcp_routes, in.udp_routes, in.reference_grants, in.backend_tls_policies,
                 in.backends, in.envoy_proxies, in.envoy_extension_policies, in.envoy_patch_policies,
                 in.http_route_filters, in.namespaces, in.services, in.endpoint_slices, in.secrets,
                 in.config_maps, in.cluster_trust_bundles, in.service_imports);
    return std::get<Input<NamespacedName, T>&>(inputs);
  }

  // Calls f(Input<NamespacedName, T>&) with the input table of a kind, if it is one of ours.
  template <typename F>
  void with_table(const GroupKind& kind, F f) const {
    const auto try_one = [&]<typename T>(std::type_identity<T>) {
      if (kind == api::kind_of<T>()) f(table<T>());
    };
    [&]<typename... T>(std::type_identity<std::variant<std::shared_ptr<const T>...>>) {
      (try_one(std::type_identity<T>()), ...);
    }(std::type_identity<api::Object>());
  }

  // Calls f with each table whose rows have problems.
  template <typename F>
  void each_with_problems(F f) const {
    f(classes);
    f(classless_gateways);
    f(listener_sets);
    f(served_gateways);
    f(routes);
    f(backends);
    f(backend_tls_policies);
    f(backend_tls_targets);
    f(sockets);
    f(unserved_problems);
  }
};

Pipeline::Pipeline(translate::Settings settings) : tables_(std::make_unique<Tables>(std::move(settings))) {}
Pipeline::~Pipeline() = default;

void Pipeline::upsert(const api::BoundObject& object) {
  std::visit(
      [&]<typename T>(const std::shared_ptr<const T>& row) { tables_->table<T>().set(object.key.name, row); },
      object.object);
}

void Pipeline::erase(const ObjectKey& object) {
  tables_->with_table(object.kind, [&](auto& table) { table.erase(object.name); });
}

std::optional<api::Object> Pipeline::object(const ObjectKey& key) const {
  std::optional<api::Object> found;
  tables_->with_table(key.kind, [&](auto& table) {
    if (auto row = table.get_shared(key.name)) found = std::move(row);
  });
  return found;
}

void Pipeline::refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal) {
  if (refusal == nullptr) {
    tables_->refused.erase(object);
  } else {
    tables_->refused.set(object, std::move(refusal));
  }
}

void Pipeline::set_proxy_state(const ir::ProxyKey& proxy, ProxyState state) {
  tables_->proxy_states.set(proxy, std::move(state));
}

void Pipeline::set_unserved(const XdsKey& resource, std::optional<translate::Unserved> why) {
  if (why) {
    tables_->unserved.set(resource, *std::move(why));
  } else {
    tables_->unserved.erase(resource);
  }
}

void Pipeline::set_host(translate::HostAddresses addresses) {
  tables_->host_addresses.set(translate::kHost, std::move(addresses));
}

std::vector<std::pair<GroupKind, std::size_t>> Pipeline::count_objects() const {
  std::vector<std::pair<GroupKind, std::size_t>> counts;
  const auto count = [&]<typename T>(const std::shared_ptr<const T>*) {
    counts.emplace_back(api::kind_of<T>(), tables_->table<T>().size());
  };
  [&]<typename... T>(const std::variant<T...>*) {
    (count(static_cast<const T*>(nullptr)), ...);
  }(static_cast<const api::Object*>(nullptr));
  return counts;
}

flow::CommitStats Pipeline::commit() { return tables_->graph.commit(); }

const RenderedTable& Pipeline::resources(ResourceType type) const {
  switch (type) {
    case ResourceType::kCluster:
      return tables_->clusters;
    case ResourceType::kEndpoints:
      return tables_->endpoints;
    case ResourceType::kSecret:
      return tables_->secrets;
    case ResourceType::kListener:
      return tables_->listeners;
    case ResourceType::kRoutes:
      return tables_->route_tables;
  }
  std::abort();
}

const ObjectKey* Pipeline::owner_of_cluster(const XdsKey& cluster) const {
  const translate::ClusterRow* row = tables_->cluster_rows.get(cluster);
  return row == nullptr ? nullptr : &row->cluster.owner;
}

const flow::Table<ir::ProxyKey, translate::ProxyPlan>& Pipeline::proxies() const { return tables_->proxies; }
const flow::Table<ObjectKey, translate::RouteResult>& Pipeline::routes() const { return tables_->routes; }
const flow::Table<NamespacedName, translate::GatewayPlan>& Pipeline::gateways() const {
  return tables_->gateways;
}
const flow::Table<XdsKey, translate::SocketRow>& Pipeline::sockets() const { return tables_->sockets; }
const flow::Table<XdsKey, translate::ClusterRow>& Pipeline::cluster_rows() const {
  return tables_->cluster_rows;
}
const flow::Table<ObjectKey, translate::ServiceView>& Pipeline::services() const { return tables_->services; }
const flow::Table<ObjectKey, translate::ServiceEndpoints>& Pipeline::endpoints_of_services() const {
  return tables_->endpoints_of;
}
const std::vector<Pipeline::Statuses>& Pipeline::statuses() const { return tables_->statuses; }

std::vector<Pipeline::Contributor> Pipeline::changed_contributors() const {
  std::vector<Contributor> contributors;
  const auto collect = [&contributors](const auto& table, const auto& key_of, const auto&... context) {
    for (const auto& change : table.changes()) {
      // What has gone can be refused no more.
      if (change.after == nullptr) continue;
      if (change.before != nullptr && brings_the_same(*change.before, *change.after)) continue;
      Contributor contributor{key_of(change.key), aggregates_of(*change.after, context...)};
      if (change.before != nullptr) {
        contributor.aggregates.merge(aggregates_of(*change.before, context...));
      }
      contributors.push_back(std::move(contributor));
    }
  };
  collect(tables_->routes, std::identity());
  collect(tables_->gateways, object_key<api::Gateway>);
  collect(tables_->listener_sets, object_key<api::ListenerSet>, tables_->gateways);
  return contributors;
}

std::vector<Problem> Pipeline::problems() const {
  std::vector<Problem> all;
  tables_->each_with_problems([&all](const auto& table) {
    table.for_each([&all](const auto&, const auto& row) {
      all.insert(all.end(), row.problems.begin(), row.problems.end());
    });
  });
  std::ranges::sort(all);
  return all;
}

Pipeline::ProblemChanges Pipeline::problem_changes() const {
  ProblemChanges changes;
  const auto append = [](std::vector<Problem>& to, const auto& row) {
    if (row != nullptr) to.insert(to.end(), row->problems.begin(), row->problems.end());
  };
  tables_->each_with_problems([&](const auto& table) {
    for (const auto& change : table.changes()) {
      append(changes.removed, change.before);
      append(changes.added, change.after);
    }
  });
  return changes;
}

}  // namespace sluice::control

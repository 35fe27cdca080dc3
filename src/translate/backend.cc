#include "translate/backend.h"

#include <algorithm>
#include <map>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace sluice::translate {
namespace {

constexpr std::string_view kBackendGroup = "gateway.envoyproxy.io";
constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

// https://kubernetes.io/docs/reference/networking/service-protocols/ and KEP-3726.
ir::UpstreamProtocol protocol_of(std::string_view app_protocol) {
  if (app_protocol == "kubernetes.io/h2c" || app_protocol == "gateway.envoyproxy.io/h2c" ||
      app_protocol == "grpc") {
    return ir::UpstreamProtocol::kHttp2;
  }
  if (app_protocol == "kubernetes.io/ws" || app_protocol == "kubernetes.io/wss" ||
      app_protocol == "gateway.envoyproxy.io/ws" || app_protocol == "gateway.envoyproxy.io/wss") {
    return ir::UpstreamProtocol::kHttp1Explicit;
  }
  return ir::UpstreamProtocol::kHttp1;
}

ReferenceFailure failure(std::string reason, std::string code, std::string field, std::string message,
                         std::string suggestion = "") {
  return {.reason = std::move(reason),
          .code = std::move(code),
          .field = std::move(field),
          .message = std::move(message),
          .suggestion = std::move(suggestion)};
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string ports_of(const ServiceView& service) {
  std::string text;
  for (const ServiceView::Port& p : service.ports) {
    if (!text.empty()) text += ", ";
    text += p.name.empty() ? std::to_string(p.port) : fmt::format("{} ({})", p.port, p.name);
  }
  return text;
}

std::expected<ResolvedBackend, ReferenceFailure> resolve_service(const api::BackendObjectReference& ref,
                                                                 const NamespacedName& name,
                                                                 const BackendReader& reader,
                                                                 flow::Reads& reads) {
  if (!ref.port) {
    return std::unexpected(failure("PortNotSpecified", "reference/port", "",
                                   fmt::format("the reference to Service {} names no port", name.to_string()),
                                   "add `port`"));
  }
  const ServiceView* service = reads.get(reader.tables.services, name);
  if (service == nullptr) {
    return std::unexpected(failure("BackendNotFound", "reference/not-found", "name",
                                   fmt::format("there is no Service {}", name.to_string())));
  }
  const auto port = std::ranges::find_if(
      service->ports, [&](const ServiceView::Port& p) { return p.port == *ref.port && p.protocol == "TCP"; });
  if (port == service->ports.end()) {
    return std::unexpected(
        failure("PortNotFound", "reference/port", "port",
                fmt::format("Service {} has no TCP port {}", name.to_string(), *ref.port),
                service->ports.empty() ? "" : fmt::format("it has {}", ports_of(*service))));
  }
  ResolvedBackend resolved;
  ir::Cluster& cluster = resolved.row.cluster;
  cluster.name = fmt::format("service/{}:{}", name.to_string(), *ref.port);
  cluster.protocol = protocol_of(port->app_protocol);
  cluster.owner = {.kind = api::kind_of<api::Service>(), .name = name};
  const auto number = static_cast<std::uint16_t>(*ref.port);
  if (!service->external_name.empty()) {
    cluster.discovery = ir::Discovery::kDns;
    cluster.dns_localities = {{.endpoints = {{.address = service->external_name, .port = number}}}};
    return resolved;
  }
  const bool by_service = reader.routing == api::RoutingType::kService && !service->headless;
  if (by_service) {
    resolved.row.fixed = {{.endpoints = {{.address = service->cluster_ip, .port = number}}}};
    return resolved;
  }
  cluster.prefer_local_zone = service->prefer_local_zone;
  resolved.row.service_port = {name, port->name};
  const ServiceReadiness* readiness = reads.get(reader.tables.readiness, name);
  resolved.has_endpoints = readiness != nullptr && readiness->ports.contains(port->name);
  if (readiness != nullptr && readiness->names) {
    if (readiness->addresses) {
      return std::unexpected(
          failure("UnsupportedAddressType", "support/mixed-slices", "",
                  fmt::format("Service {} has EndpointSlices of names and of addresses, which one "
                              "cluster cannot have",
                              name.to_string())));
    }
    cluster.discovery = ir::Discovery::kDns;
  }
  return resolved;
}

std::expected<ResolvedBackend, ReferenceFailure> resolve_own_backend(const NamespacedName& name,
                                                                     const BackendReader& reader,
                                                                     flow::Reads& reads) {
  if (!reader.settings.backend_enabled) {
    return std::unexpected(failure("UnsupportedValue", "support/backend-disabled", "kind",
                                   "the kind Backend is switched off", "set extensionApis.enableBackend"));
  }
  const api::Backend* backend = reads.get(reader.inputs.backends, name);
  if (backend == nullptr) {
    return std::unexpected(failure("BackendNotFound", "reference/not-found", "name",
                                   fmt::format("there is no Backend {}", name.to_string())));
  }
  if (auto good = check_backend(*backend, reader.settings); !good) return std::unexpected(good.error());
  ResolvedBackend resolved;
  ir::Cluster& cluster = resolved.row.cluster;
  cluster.name = fmt::format("backend/{}", name.to_string());
  cluster.owner = {.kind = api::kind_of<api::Backend>(), .name = name};
  for (const std::string& app_protocol : backend->spec.app_protocols) {
    if (const auto protocol = protocol_of(app_protocol); protocol != ir::UpstreamProtocol::kHttp1) {
      cluster.protocol = protocol;
    }
  }
  ir::Locality locality;
  bool names = false;  // then the cluster resolves: it takes addresses as names that need no resolving
  for (const api::BackendEndpoint& e : backend->spec.endpoints) {
    ir::Endpoint endpoint;
    endpoint.hostname = e.hostname.value_or("");
    if (e.unix_path) {
      // Envoy Gateway serves Unix sockets to extension services only.
      return std::unexpected(
          failure("UnsupportedAddressType", "support/unix-backend", "",
                  fmt::format("Backend {} is a Unix socket, which no route can send to", name.to_string())));
    }
    const api::HostPort& place = e.fqdn ? *e.fqdn : *e.ip;
    names = names || e.fqdn;
    endpoint.address = place.host;
    endpoint.port = static_cast<std::uint16_t>(place.port);
    locality.endpoints.push_back(std::move(endpoint));
  }
  std::ranges::sort(locality.endpoints);
  if (names) {
    cluster.discovery = ir::Discovery::kDns;
    cluster.dns_localities = {std::move(locality)};
  } else {
    resolved.row.fixed = {std::move(locality)};
  }
  return resolved;
}

}  // namespace

std::expected<ResolvedBackend, ReferenceFailure> resolve_backend(const api::BackendObjectReference& ref,
                                                                 const BackendReader& reader,
                                                                 flow::Reads& reads) {
  const bool service = ref.group.empty() && ref.kind == "Service";
  const bool own = ref.group == kBackendGroup && ref.kind == "Backend";
  if (!service && !own) {
    std::string suggestion = "use a Service, or a Backend of group gateway.envoyproxy.io";
    if (ref.kind == "Service") suggestion = "leave out `group`: a Service is of the core group";
    if (ref.kind == "Backend") suggestion = "its group is gateway.envoyproxy.io";
    return std::unexpected(failure(
        "InvalidKind", "reference/kind", "kind",
        fmt::format("`{}{}{}` is no kind of backend", ref.group, ref.group.empty() ? "" : "/", ref.kind),
        std::move(suggestion)));
  }
  const NamespacedName name{ref.namespace_.value_or(reader.namespace_), ref.name};
  const GroupKind& kind = service ? api::kind_of<api::Service>() : api::kind_of<api::Backend>();
  if (!permitted({reader.from, reader.namespace_}, kind, name, reader.tables, reads)) {
    return std::unexpected(
        failure("RefNotPermitted", "reference/not-permitted", "namespace",
                fmt::format("no ReferenceGrant in namespace {} lets {} of {} refer to {} {}", name.namespace_,
                            reader.from.kind(), reader.namespace_, ref.kind, name.name),
                fmt::format("add a ReferenceGrant to namespace {}", name.namespace_)));
  }
  auto resolved =
      service ? resolve_service(ref, name, reader, reads) : resolve_own_backend(name, reader, reads);
  if (resolved && reader.grpc && resolved->row.cluster.protocol != ir::UpstreamProtocol::kHttp2) {
    resolved->row.cluster.protocol = ir::UpstreamProtocol::kHttp2;
    resolved->row.cluster.name += "/http2";
  }
  return resolved;
}

ServiceView view_service(const api::Service& service) {
  ServiceView view;
  view.ports.reserve(service.spec.ports.size());
  for (const api::ServicePort& p : service.spec.ports) {
    view.ports.push_back({.name = p.name,
                          .protocol = p.protocol,
                          .app_protocol = p.app_protocol,
                          .port = static_cast<std::uint16_t>(p.port)});
  }
  if (service.spec.type == "ExternalName") view.external_name = service.spec.external_name;
  view.cluster_ip = service.spec.cluster_ip;
  view.headless = view.cluster_ip.empty() || view.cluster_ip == "None";
  view.prefer_local_zone = service.spec.traffic_distribution == "PreferClose" ||
                           service.spec.traffic_distribution == "PreferSameZone";
  view.publish_not_ready = service.spec.publish_not_ready_addresses;
  return view;
}

std::expected<void, ReferenceFailure> check_backend(const api::Backend& backend, const Settings& settings) {
  if (backend.spec.type == api::BackendType::kDynamicResolver) {
    return std::unexpected(failure("UnsupportedValue", "support/dynamic-resolver", "",
                                   "Backends of type DynamicResolver are not supported yet"));
  }
  if (backend.spec.tls) {
    return std::unexpected(failure("UnsupportedValue", "support/backend-tls", "",
                                   "TLS settings of a Backend are not supported yet"));
  }
  for (const api::BackendEndpoint& e : backend.spec.endpoints) {
    if (e.ip && !settings.on_host && is_loopback(e.ip->host)) {
      return std::unexpected(failure(
          "InvalidAddress", "value/address", "",
          fmt::format("{} is a loopback address: in a cluster it would be the proxy's own", e.ip->host)));
    }
    if (e.fqdn && !settings.on_host && e.fqdn->host.find('.') == std::string::npos) {
      return std::unexpected(
          failure("InvalidAddress", "value/address", "",
                  fmt::format("`{}` has no dot: in a cluster a Backend's name has at least two parts",
                              e.fqdn->host)));
    }
  }
  return {};
}

NamespacedName service_of(const api::EndpointSlice& slice) {
  const auto label = slice.metadata.labels.find(kServiceNameLabel);
  if (label == slice.metadata.labels.end()) return {};
  return {slice.metadata.namespace_, label->second};
}

ServiceEndpoints join_slices(const std::vector<const api::EndpointSlice*>& slices, bool prefer_local_zone,
                             bool publish_not_ready) {
  struct Found {
    bool ready = false;
    bool draining = false;  // serves on while it terminates
    std::string zone;
    ir::Endpoint endpoint;

    auto operator<=>(const Found&) const = default;
  };
  std::map<std::string, std::vector<Found>, std::less<>> found;
  ServiceEndpoints joined;
  for (const api::EndpointSlice* slice : slices) {
    (slice->address_type == "FQDN" ? joined.names : joined.addresses) = true;
    for (const api::EndpointPort& port : slice->ports) {
      if (!port.port || port.protocol == "UDP" || port.protocol == "SCTP") continue;
      std::vector<Found>& here = found[port.name];
      for (const api::SliceEndpoint& e : slice->endpoints) {
        if (e.addresses.empty()) continue;
        const bool terminating = e.conditions.terminating.value_or(false);
        const bool ready = e.conditions.ready.value_or(true) || publish_not_ready;
        const bool draining = terminating && e.conditions.serving.value_or(false);
        if (!ready && !draining) continue;
        for (const std::string& address : e.addresses) {
          here.push_back({.ready = ready,
                          .draining = draining && !ready,
                          .zone = prefer_local_zone ? e.zone : std::string(),
                          .endpoint = {.address = address, .port = static_cast<std::uint16_t>(*port.port)}});
        }
      }
    }
  }
  for (auto& [port, endpoints] : found) {
    // KEP-1669: terminating endpoints that still serve are for when there is nobody else.
    const bool any_ready = std::ranges::any_of(endpoints, &Found::ready);
    std::erase_if(endpoints, [&](const Found& f) { return f.ready != any_ready; });
    if (endpoints.empty()) continue;
    std::map<std::string, std::vector<ir::Endpoint>> by_zone;
    for (Found& f : endpoints) by_zone[f.zone].push_back(std::move(f.endpoint));
    std::vector<ir::Locality>& localities = joined.by_port[port];
    for (auto& [zone, members] : by_zone) {
      std::ranges::sort(members);
      members.erase(std::ranges::unique(members).begin(), members.end());
      localities.push_back({.zone = zone, .endpoints = std::move(members)});
    }
  }
  return joined;
}

}  // namespace sluice::translate

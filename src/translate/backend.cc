#include "translate/backend.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "translate/ca_bundle.h"
#include "translate/inference_pool.h"
#include "translate/near.h"
#include "translate/policy/precedence.h"
#include "translate/policy/traffic.h"
#include "translate/reference.h"
#include "translate/slice.h"
#include "translate/upstream_tls.h"
#include "translate/x_backend.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kBackendGroup = "gateway.envoyproxy.io";
constexpr std::string_view kImportGroup = "multicluster.x-k8s.io";
constexpr std::string_view kExperimentalGroup = "gateway.networking.x-k8s.io";
constexpr std::size_t kMostUnixPath = 107;  // sockaddr_un::sun_path, less the zero at the end

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

ReferenceFailure switched_off() {
  return failure("UnsupportedValue", "support/backend-disabled", "kind", "the kind Backend is switched off",
                 "set `backendEnabled: true`");
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// "80/TCP (http)", each.
std::vector<std::string> ports_of(const ServiceView& service) {
  std::vector<std::string> ports;
  for (const ServiceView::Port& p : service.ports) {
    ports.push_back(fmt::format("{}/{}", p.port, p.protocol));
    if (!p.name.empty()) ports.back() += fmt::format(" ({})", p.name);
  }
  return ports;
}

// As long as it is made.
using ResolvedPtr = std::shared_ptr<ResolvedBackend>;

// A Service or ServiceImport.
std::expected<ResolvedPtr, ReferenceFailure> resolve_service(const api::BackendObjectReference& ref,
                                                             const ObjectKey& key,
                                                             const BackendReader& reader, flow::Reads& reads,
                                                             std::vector<PolicyUse>& policies) {
  if (!ref.port) {
    return std::unexpected(failure("PortNotSpecified", "reference/port", "",
                                   fmt::format("the reference to {} names no port", key.to_string()),
                                   "add `port`"));
  }
  const ServiceView* service = reads.get(reader.tables.services, key);
  if (service == nullptr) {
    return std::unexpected(failure("BackendNotFound", "reference/not-found", "name",
                                   fmt::format("there is no {}", key.to_string()),
                                   near_object(key, backend_kinds(), reader.tables, reads)));
  }
  const auto port = std::ranges::find_if(service->ports, [&](const ServiceView::Port& p) {
    return p.port == *ref.port && p.protocol == reader.transport;
  });
  if (port == service->ports.end()) {
    return std::unexpected(
        failure("PortNotFound", "reference/port", "port",
                fmt::format("{} has no {} port {}", key.to_string(), reader.transport, *ref.port),
                list("it has", ports_of(*service))));
  }
  auto resolved = std::make_shared<ResolvedBackend>();
  ir::Cluster& cluster = resolved->row.cluster;
  const bool imported = key.kind == api::kind_of<api::ServiceImport>();
  cluster.name.reserve(key.name.namespace_.size() + key.name.name.size() + 16);
  cluster.name = imported ? "import/" : "service/";
  cluster.name.append(key.name.namespace_).append("/").append(key.name.name).append(":");
  cluster.name += std::to_string(*ref.port);
  cluster.protocol = protocol_of(port->app_protocol);
  cluster.owner = key;
  const auto number = static_cast<std::uint16_t>(*ref.port);
  if (auto good = add_tls(key, port->name, nullptr, reader, reads, policies, resolved->row); !good) {
    return std::unexpected(good.error());
  }
  if (!service->external_name.empty()) {
    cluster.discovery = ir::Discovery::kDns;
    cluster.dns_localities = {{.endpoints = {{.address = service->external_name, .port = number}}}};
    return resolved;
  }
  const bool by_service = reader.access.routing == api::RoutingType::kService && !service->headless;
  if (by_service) {
    resolved->row.fixed = {{.endpoints = {{.address = service->cluster_ip, .port = number}}}};
    return resolved;
  }
  cluster.prefer_local_zone = service->prefer_local_zone;
  resolved->row.service_port = {key, endpoint_port(port->name, port->protocol)};
  const ServiceReadiness* readiness = reads.get(reader.tables.readiness, key);
  resolved->has_endpoints =
      readiness != nullptr && readiness->ports.contains(resolved->row.service_port->second);
  if (readiness != nullptr && readiness->names) {
    if (readiness->addresses) {
      return std::unexpected(failure("UnsupportedAddressType", "support/mixed-slices", "",
                                     fmt::format("{} has EndpointSlices of names and of addresses, which one "
                                                 "cluster cannot have",
                                                 key.to_string())));
    }
    cluster.discovery = ir::Discovery::kDns;
  }
  return resolved;
}

std::expected<ResolvedPtr, ReferenceFailure> resolve_own_backend(const api::BackendObjectReference& ref,
                                                                 const ObjectKey& key,
                                                                 const BackendReader& reader,
                                                                 flow::Reads& reads,
                                                                 std::vector<PolicyUse>& policies) {
  if (!reader.settings.backend_enabled) {
    return std::unexpected(switched_off());
  }
  const api::Backend* backend = reads.get(reader.inputs.backends, key.name);
  const BackendRow* row = reads.get(reader.tables.backends, key.name);
  if (backend == nullptr || row == nullptr) {
    return std::unexpected(failure("BackendNotFound", "reference/not-found", "name",
                                   fmt::format("there is no {}", key.to_string()),
                                   near_object(key, backend_kinds(), reader.tables, reads)));
  }
  if (row->refused) return std::unexpected(*row->refused);
  auto resolved = std::make_shared<ResolvedBackend>();
  resolved->fallback = backend->spec.fallback;
  ir::Cluster& cluster = resolved->row.cluster;
  cluster.name = "backend/" + key.name.to_string();
  cluster.owner = key;
  for (const std::string& app_protocol : backend->spec.app_protocols) {
    if (const auto protocol = protocol_of(app_protocol); protocol != ir::UpstreamProtocol::kHttp1) {
      cluster.protocol = protocol;
    }
  }
  const std::string section = ref.port ? std::to_string(*ref.port) : "";
  if (auto good = add_tls(key, section, row, reader, reads, policies, resolved->row); !good) {
    return std::unexpected(good.error());
  }
  if (backend->spec.type == api::BackendType::kDynamicResolver) {
    cluster.discovery = ir::Discovery::kDynamic;
    return resolved;
  }
  std::map<std::string, ir::Locality> by_zone;
  bool names = false;  // then the cluster resolves: it takes addresses as names that need no resolving
  for (const api::BackendEndpoint& e : backend->spec.endpoints) {
    ir::Endpoint endpoint;
    endpoint.hostname = e.hostname.value_or("");
    if (e.unix_path && !reader.unix_sockets) {
      // Envoy Gateway serves Unix sockets to extension services only.
      return std::unexpected(
          failure("UnsupportedAddressType", "support/unix-backend", "",
                  fmt::format("{} is a Unix socket, which no route can send to", key.to_string())));
    }
    if (e.unix_path && e.unix_path->size() > kMostUnixPath) {
      return std::unexpected(failure("UnsupportedAddressType", "value/unix-path", "",
                                     fmt::format("{} has a path of {} bytes, and sockets have at most {}",
                                                 key.to_string(), e.unix_path->size(), kMostUnixPath)));
    }
    if (e.unix_path) {
      endpoint.unix_path = *e.unix_path;
    } else {
      const api::HostPort& place = e.fqdn ? *e.fqdn : *e.ip;
      names = names || e.fqdn;
      endpoint.address = place.host;
      endpoint.port = static_cast<std::uint16_t>(place.port);
    }
    by_zone[e.zone.value_or("")].endpoints.push_back(std::move(endpoint));
  }
  if (names) cluster.discovery = ir::Discovery::kDns;
  std::vector<ir::Locality>& localities = names ? cluster.dns_localities : resolved->row.fixed;
  for (auto& [zone, locality] : by_zone) {
    locality.zone = zone;
    std::ranges::sort(locality.endpoints);
    localities.push_back(std::move(locality));
  }
  return resolved;
}

std::expected<ResolvedPtr, ReferenceFailure> resolve_x_backend(const api::BackendObjectReference& ref,
                                                               const ObjectKey& key,
                                                               const BackendReader& reader,
                                                               flow::Reads& reads,
                                                               std::vector<PolicyUse>& policies) {
  const api::XBackend* backend = reads.get(reader.inputs.x_backends, key.name);
  const BackendRow* row = reads.get(reader.tables.x_backends, key.name);
  if (backend == nullptr || row == nullptr) {
    return std::unexpected(failure("BackendNotFound", "reference/not-found", "name",
                                   fmt::format("there is no {}", key.to_string()),
                                   near_object(key, backend_kinds(), reader.tables, reads)));
  }
  policies.push_back({.policy = key, .ancestor = {}, .beaten_by = {}});
  if (row->refused) return std::unexpected(*row->refused);
  if (ref.port && *ref.port != backend->spec.port) {
    return std::unexpected(failure("PortNotFound", "reference/port", "port",
                                   fmt::format("{} has port {} only", key.to_string(), backend->spec.port),
                                   "leave out `port`"));
  }
  auto resolved = std::make_shared<ResolvedBackend>();
  ir::Cluster& cluster = resolved->row.cluster;
  cluster.name = "xbackend/" + key.name.to_string();
  cluster.owner = key;
  fill_x_backend(backend->spec, cluster);
  if (auto good = add_tls(key, "", row, reader, reads, policies, resolved->row); !good) {
    return std::unexpected(good.error());
  }
  return resolved;
}

// What the traffic policy of the backend says, if there is one.
void apply_traffic_policy(const ObjectKey& key, const BackendReader& reader, flow::Reads& reads,
                          std::vector<PolicyUse>& policies, ResolvedBackend& backend) {
  const TrafficPolicyRow* policy = traffic_policy_of(key, reader.tables, reads, policies);
  if (policy == nullptr) return;
  backend.session = policy->session;
  if (!policy->retry_budget) return;
  ir::ClusterSettings settings = backend.row.cluster.settings.or_default();
  if (!settings.circuit_breakers) settings.circuit_breakers.emplace();
  settings.circuit_breakers->retry_budget = policy->retry_budget;
  backend.row.cluster.settings = std::move(settings);
}

// Why an endpoint of a Backend cannot be one, or nothing.
std::optional<ReferenceFailure> check_endpoint(const api::BackendEndpoint& endpoint,
                                               const Settings& settings) {
  if (settings.on_host) return std::nullopt;
  if (endpoint.ip && is_loopback(endpoint.ip->host)) {
    return failure(
        "InvalidAddress", "value/address", "",
        fmt::format("{} is a loopback address: in a cluster it would be the proxy's own", endpoint.ip->host));
  }
  if (endpoint.fqdn && endpoint.fqdn->host.find('.') == std::string::npos) {
    return failure("InvalidAddress", "value/address", "",
                   fmt::format("`{}` has no dot: in a cluster a Backend's name has at least two parts",
                               endpoint.fqdn->host));
  }
  return std::nullopt;
}

// True where a BackendTLSPolicy is for the Backend, or for the port of one of its endpoints.
bool has_policy(const ObjectKey& key, const api::Backend& backend, const Projections& tables,
                flow::Reads& reads) {
  std::vector<std::string> sections{""};
  for (const api::BackendEndpoint& e : backend.spec.endpoints) {
    if (e.ip) sections.push_back(std::to_string(e.ip->port));
    if (e.fqdn) sections.push_back(std::to_string(e.fqdn->port));
  }
  for (const auto& [policy, row] : reads.group(tables.backend_tls_policies_of, key)) {
    for (const std::string& section : sections) {
      if (is_among({.object = key, .section = section}, row.targets)) return true;
    }
  }
  return false;
}

}  // namespace

std::expected<BackendPtr, ReferenceFailure> resolve_backend(const api::BackendObjectReference& ref,
                                                            const BackendReader& reader, flow::Reads& reads,
                                                            std::vector<PolicyUse>& policies) {
  const bool service = ref.group.empty() && ref.kind == "Service";
  const bool imported = ref.group == kImportGroup && ref.kind == "ServiceImport";
  const bool own = ref.group == kBackendGroup && ref.kind == "Backend";
  const bool experimental = ref.group == kExperimentalGroup && ref.kind == "XBackend";
  const bool pool = reader.pools && ref.group == kPoolGroup && ref.kind == "InferencePool";
  if (!service && !imported && !own && !experimental && !pool) {
    const GroupKind written(ref.group, ref.kind);
    KindSlip slip = near_kind(written, backend_kinds(),
                              "use a Service, a ServiceImport, or a Backend of group gateway.envoyproxy.io");
    if (!reader.pools && ref.kind == "InferencePool") {
      slip = {"kind", "only HTTPRoutes and GRPCRoutes can send to one"};
    }
    // No group may be the one that is left out.
    return std::unexpected(failure("InvalidKind", "reference/kind", ref.group.empty() ? "kind" : slip.field,
                                   fmt::format("`{}` is no kind of backend", words_of(written)),
                                   std::move(slip.suggestion)));
  }
  const GroupKind& kind = own            ? api::kind_of<api::Backend>()
                          : experimental ? api::kind_of<api::XBackend>()
                          : pool         ? api::kind_of<api::InferencePool>()
                          : imported     ? api::kind_of<api::ServiceImport>()
                                         : api::kind_of<api::Service>();
  const ObjectKey key{kind, {ref.namespace_.value_or(reader.namespace_), ref.name}};
  if (!reader.trusted &&
      !permitted({reader.from, reader.namespace_}, key.kind, key.name, reader.tables, reads)) {
    return std::unexpected(
        failure("RefNotPermitted", "reference/not-permitted", "namespace",
                fmt::format("no ReferenceGrant in namespace {} lets {} of {} refer to {} {}",
                            key.name.namespace_, reader.from.kind(), reader.namespace_, ref.kind, ref.name),
                missing_grant({reader.from, reader.namespace_}, key.kind, key.name, reader.tables, reads)));
  }
  auto resolved = own            ? resolve_own_backend(ref, key, reader, reads, policies)
                  : experimental ? resolve_x_backend(ref, key, reader, reads, policies)
                  : pool         ? resolve_pool(key, reader, reads, policies)
                                 : resolve_service(ref, key, reader, reads, policies);
  if (!resolved) return std::unexpected(std::move(resolved.error()));
  ResolvedBackend& backend = **resolved;
  if (!pool) apply_traffic_policy(key, reader, reads, policies, backend);
  ir::Cluster& cluster = backend.row.cluster;
  if (reader.grpc && cluster.protocol != ir::UpstreamProtocol::kHttp2) {
    cluster.protocol = ir::UpstreamProtocol::kHttp2;
    cluster.name += "/http2";
  }
  backend.base_size = cluster.name.size();
  name_after_tls(backend.base_size, cluster);
  return *std::move(resolved);
}

BackendPtr negotiating_no_protocol(BackendPtr backend) {
  if (!backend->row.cluster.tls) return backend;
  auto other = std::make_shared<ResolvedBackend>(*backend);
  other->row.cluster.tls->beside_plaintext = true;
  name_after_tls(other->base_size, other->row.cluster);
  return other;
}

BackendPtr injecting(const ResolvedBackend& backend, const ExtendedFilterRow& filter) {
  auto other = std::make_shared<ResolvedBackend>(backend);
  ir::Cluster& cluster = other->row.cluster;
  cluster.credential = *filter.credential;
  const std::string suffix = "/" + filter.of_secret->name;
  cluster.name.insert(other->base_size, suffix);
  other->base_size += suffix.size();
  return other;
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

ServiceView view_import(const api::ServiceImport& import) {
  ServiceView view;
  for (const api::ServicePort& p : import.spec.ports) {
    view.ports.push_back({.name = p.name,
                          .protocol = p.protocol,
                          .app_protocol = p.app_protocol,
                          .port = static_cast<std::uint16_t>(p.port)});
  }
  view.headless = import.spec.type == "Headless" || import.spec.ips.empty();
  if (!view.headless) view.cluster_ip = import.spec.ips.front();
  return view;
}

BackendRow read_backend(const NamespacedName& name, const api::Backend& backend, const Settings& settings,
                        const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  BackendRow row;
  const ObjectKey key{.kind = api::kind_of<api::Backend>(), .name = name};
  // Its condition does not look like bad news.
  const auto report = [&](const auto& why, const std::string& path) {
    row.problems.push_back({.code = why.code,
                            .severity = Severity::kError,
                            .where = {},
                            .object = key,
                            .path = path,
                            .message = why.message,
                            .suggestion = why.suggestion,
                            .also = {}});
  };
  if (!settings.backend_enabled) report(switched_off(), "");
  for (std::size_t i = 0; i < backend.spec.endpoints.size() && !row.refused; ++i) {
    row.refused = check_endpoint(backend.spec.endpoints[i], settings);
    if (row.refused) report(*row.refused, fmt::format("spec.endpoints[{}]", i));
  }
  if (!backend.spec.tls) return row;
  const api::BackendTLSSettings& tls = *backend.spec.tls;
  row.terms = read_tls_terms(tls.settings, key, "spec.tls", tables, reads, row.problems);
  TlsTrust& trust = row.trust.emplace();
  trust.sni = tls.sni;
  trust.sni_from_endpoint = tls.auto_sni_from_endpoint_hostname;
  trust.verify = !tls.insecure_skip_verify;
  CaReferences ca = resolve_ca(tls.ca_certificate_refs, tls.well_known_ca_certificates, name.namespace_,
                               inputs, tables, reads);
  trust.authorities = ca.authorities;
  for (const CaFailure& bad : ca.failures) report(bad, "spec.tls." + bad.field);
  if (!trust.verify || !trust.authorities.empty()) return row;
  row.tls_failure = failure("InvalidBackendTLS", "reference/backend-tls", "",
                            fmt::format("{} has no CA certificates to trust", key.to_string()),
                            ca.failures.empty() ? "add `port`, for which there is a BackendTLSPolicy"
                                                : "see what is wrong with the Backend");
  if (ca.failures.empty() && !has_policy(key, backend, tables, reads) && !row.refused) {
    row.refused = failure(
        "InvalidBackendRef", "reference/backend-tls", "",
        fmt::format("nothing says which CA certificates to trust on connections to {}", key.to_string()),
        "add `wellKnownCACertificates: System` or `caCertificateRefs` to its `tls`, or a BackendTLSPolicy");
    report(*row.refused, "spec.tls");
  }
  return row;
}

absl::InlinedVector<ObjectKey, 2> services_of(const api::EndpointSlice& slice) {
  absl::InlinedVector<ObjectKey, 2> keys;
  const auto add = [&](std::string_view name, const GroupKind& kind) {
    const auto label = slice.metadata.labels.find(name);
    if (label != slice.metadata.labels.end())
      keys.push_back({kind, {slice.metadata.namespace_, label->second}});
  };
  add(kServiceNameLabel, api::kind_of<api::Service>());
  add(kImportNameLabel, api::kind_of<api::ServiceImport>());
  return keys;
}

namespace {

// An endpoint of a slice, at one address.
struct Found {
  bool ready = false;  // else it serves on while it terminates
  std::string_view locality;
  ir::Endpoint endpoint;
  std::string_view zone;
};

// Of endpoints that are one locality.
std::optional<ServiceEndpoints::Zones> zones_of(const std::vector<Found>& endpoints) {
  if (std::ranges::all_of(endpoints, [](const Found& f) { return f.zone.empty(); })) return std::nullopt;
  std::map<std::string_view, std::uint16_t> known;
  for (const Found& f : endpoints) known.emplace(f.zone, 0);
  ServiceEndpoints::Zones zones;
  for (auto& [name, place] : known) {
    place = static_cast<std::uint16_t>(zones.names.size());
    zones.names.emplace_back(name);
  }
  zones.of.reserve(endpoints.size());
  for (const Found& f : endpoints) zones.of.push_back(known[f.zone]);
  return zones;
}

}  // namespace

ServiceEndpoints join_slices(const std::vector<const api::EndpointSlice*>& slices, bool prefer_local_zone,
                             bool publish_not_ready) {
  std::map<std::string, std::vector<Found>, std::less<>> found;
  ServiceEndpoints joined;
  for (const api::EndpointSlice* slice : slices) {
    (slice->address_type == "FQDN" ? joined.names : joined.addresses) = true;
    for (const api::EndpointPort& port : slice->ports) {
      if (!is_usable(port) || port.protocol == "SCTP") continue;
      std::vector<Found>& here = found[endpoint_port(port.name, port.protocol)];
      if (here.empty()) here.reserve(slice->endpoints.size());
      for (const api::SliceEndpoint& e : slice->endpoints) {
        if (e.addresses.empty()) continue;
        const bool terminating = e.conditions.terminating.value_or(false);
        const bool ready = e.conditions.ready.value_or(true) || publish_not_ready;
        const bool draining = terminating && e.conditions.serving.value_or(false);
        if (!ready && !draining) continue;
        for (const std::string& address : e.addresses) {
          if (!is_usable(*slice, address)) continue;
          here.push_back({.ready = ready,
                          .locality = prefer_local_zone ? std::string_view(e.zone) : std::string_view(),
                          .endpoint = {.address = address, .port = static_cast<std::uint16_t>(*port.port)},
                          .zone = e.zone});
        }
      }
    }
  }
  for (auto& [port, endpoints] : found) {
    // KEP-1669: terminating endpoints that still serve are for when there is nobody else.
    const bool any_ready = std::ranges::any_of(endpoints, &Found::ready);
    std::erase_if(endpoints, [&](const Found& f) { return f.ready != any_ready; });
    if (endpoints.empty()) continue;
    const auto place = [](const Found& f) { return std::tie(f.locality, f.endpoint); };
    std::ranges::sort(endpoints, {}, [](const Found& f) { return std::tie(f.locality, f.endpoint, f.zone); });
    endpoints.erase(std::ranges::unique(endpoints, {}, place).begin(), endpoints.end());
    if (!prefer_local_zone) {
      if (auto zones = zones_of(endpoints)) joined.zones.emplace(port, *std::move(zones));
    }
    std::vector<ir::Locality>& localities = joined.by_port[port];
    for (auto first = endpoints.begin(); first != endpoints.end();) {
      const auto last =
          std::find_if(first, endpoints.end(), [&](const Found& f) { return f.locality != first->locality; });
      ir::Locality& locality = localities.emplace_back();
      locality.zone = first->locality;
      locality.endpoints.reserve(static_cast<std::size_t>(last - first));
      for (; first != last; ++first) locality.endpoints.push_back(std::move(first->endpoint));
    }
  }
  return joined;
}

}  // namespace sluice::translate

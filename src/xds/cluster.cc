#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb.h"
#include "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.pb.h"
#include "envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "xds/cluster_settings.h"
#include "xds/dns.h"
#include "xds/endpoints.h"
#include "xds/filters/credential_injector.h"
#include "xds/load_balancing.h"
#include "xds/render.h"
#include "xds/tls.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace http_v3 = envoy::extensions::upstreams::http::v3;

using Cluster = cluster_v3::Cluster;

namespace {

// ADS answers at once, even for a Service without endpoints. Should it not, the cluster is better warm and
// empty than in the way of all others.
constexpr ir::Duration kEndpointsTimeout{5'000};

// How a protocol is chosen; kAuto is by ALPN.
enum class Protocol : std::uint8_t { kUnset, kHttp1, kHttp2, kAuto };

// What a cluster has in common with nearly all others.
struct Shape {
  ir::Discovery discovery = ir::Discovery::kEds;
  Protocol protocol = Protocol::kUnset;
  bool auto_sni = false;
  bool auto_san = false;  // the certificate is for the host that the request names
  bool prefer_local_zone = false;
  bool ipv6_preferred = false;

  std::size_t index() const {
    return static_cast<std::size_t>(discovery) | static_cast<std::size_t>(protocol) << 2U |
           (auto_sni ? 16U : 0U) | (auto_san ? 32U : 0U) | (prefer_local_zone ? 64U : 0U) |
           (ipv6_preferred ? 128U : 0U);
  }
};
constexpr std::size_t kShapes = 256;

Shape shape_at(std::size_t index) {
  return {.discovery = static_cast<ir::Discovery>(index & 3U),
          .protocol = static_cast<Protocol>(index >> 2U & 3U),
          .auto_sni = (index & 16U) != 0,
          .auto_san = (index & 32U) != 0,
          .prefer_local_zone = (index & 64U) != 0,
          .ipv6_preferred = (index & 128U) != 0};
}

Shape shape_of(const ir::Cluster& cluster) {
  Shape shape{.discovery = cluster.discovery,
              .prefer_local_zone = cluster.prefer_local_zone,
              .ipv6_preferred = cluster.ipv6_preferred};
  const ir::UpstreamTls* tls = cluster.tls                   ? &*cluster.tls
                               : cluster.tls_by_name.empty() ? nullptr
                                                             : &cluster.tls_by_name.front().second;
  shape.auto_sni = tls != nullptr && tls->sni.empty() && !tls->sni_from_endpoint;
  shape.auto_san =
      shape.auto_sni && cluster.discovery == ir::Discovery::kDynamic && !tls->validation_secret.empty();
  switch (cluster.protocol) {
    case ir::UpstreamProtocol::kHttp1Explicit:
      shape.protocol = Protocol::kHttp1;
      break;
    case ir::UpstreamProtocol::kHttp2:
      shape.protocol = Protocol::kHttp2;
      break;
    case ir::UpstreamProtocol::kHttp1:
      if (tls != nullptr && !tls->beside_plaintext) {
        shape.protocol = Protocol::kAuto;
      } else if (shape.auto_sni) {
        shape.protocol = Protocol::kHttp1;  // what carries auto_sni has to name a protocol
      }
      break;
  }
  // Without TLS they mean nothing, but Envoy wants them of every such cluster with options.
  if (cluster.discovery == ir::Discovery::kDynamic && tls == nullptr) shape.auto_sni = shape.auto_san = true;
  return shape;
}

void fill_protocol(Shape shape, const ir::ClusterSettings& settings, const ir::Extension* credential,
                   Cluster* to) {
  http_v3::HttpProtocolOptions options;
  const bool set = fill_http(settings, &options);
  if (credential != nullptr) add_upstream_credential(*credential, &options);
  if (!set && credential == nullptr && shape.protocol == Protocol::kUnset) return;
  switch (shape.protocol) {
    case Protocol::kUnset:  // options have to name a protocol: Envoy's default
    case Protocol::kHttp1:
      options.mutable_explicit_http_config()->mutable_http_protocol_options();
      break;
    case Protocol::kHttp2:
      fill_http2(settings, options.mutable_explicit_http_config()->mutable_http2_protocol_options());
      break;
    case Protocol::kAuto:
      options.mutable_auto_config()->mutable_http_protocol_options();
      fill_http2(settings, options.mutable_auto_config()->mutable_http2_protocol_options());
      break;
  }
  if (shape.auto_sni) options.mutable_upstream_http_protocol_options()->set_auto_sni(true);
  if (shape.auto_san) options.mutable_upstream_http_protocol_options()->set_auto_san_validation(true);
  pack(options, &(*to->mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
}

void fill_balancing(Shape shape, const ir::ClusterSettings& settings, Cluster* to) {
  cluster_v3::LoadBalancingPolicy* policy = to->mutable_load_balancing_policy();
  if (shape.discovery == ir::Discovery::kDynamic) {
    auto* config = policy->add_policies()->mutable_typed_extension_config();
    config->set_name("envoy.load_balancing_policies.cluster_provided");
    pack(envoy::extensions::load_balancing_policies::cluster_provided::v3::ClusterProvided(),
         config->mutable_typed_config());
    return;
  }
  fill_load_balancing(settings.load_balancing.value_or(ir::LoadBalancing()), shape.prefer_local_zone, policy);
}

void fill_discovery(Shape shape, const ir::ClusterSettings& settings, Cluster* to) {
  const ir::Dns dns = settings.dns.value_or(ir::Dns());
  switch (shape.discovery) {
    case ir::Discovery::kEds:
      to->set_type(Cluster::EDS);
      fill_ads(kEndpointsTimeout, to->mutable_eds_cluster_config()->mutable_eds_config());
      break;
    case ir::Discovery::kDns: {
      envoy::extensions::clusters::dns::v3::DnsCluster config;
      fill_dns(dns, shape.ipv6_preferred, &config);
      to->mutable_cluster_type()->set_name("envoy.cluster.dns");
      pack(config, to->mutable_cluster_type()->mutable_typed_config());
      break;
    }
    case ir::Discovery::kDynamic: {
      envoy::extensions::clusters::dynamic_forward_proxy::v3::ClusterConfig config;
      fill_dns_cache(dns, shape.ipv6_preferred, config.mutable_dns_cache_config());
      // The user has a name of his own in the handshake, or takes any certificate.
      config.set_allow_insecure_cluster_options(!shape.auto_sni || !shape.auto_san);
      to->mutable_cluster_type()->set_name("envoy.clusters.dynamic_forward_proxy");
      pack(config, to->mutable_cluster_type()->mutable_typed_config());
      break;
    }
    case ir::Discovery::kNone:
      to->set_type(Cluster::STATIC);
      break;
  }
}

std::string render_shape(Shape shape, const ir::ClusterSettings& settings, const ir::Extension* credential) {
  Cluster to;
  if (shape.discovery == ir::Discovery::kNone) {
    // Nothing else says anything of a cluster that nobody is in.
    fill_discovery(shape, settings, &to);
    return serialize(to);
  }
  to.set_ignore_health_on_host_removal(true);
  to.set_dns_lookup_family(
      dns_family(settings.dns ? settings.dns->family : std::nullopt, shape.ipv6_preferred));
  fill_settings(settings, &to);
  fill_discovery(shape, settings, &to);
  fill_balancing(shape, settings, &to);
  fill_protocol(shape, settings, credential, &to);
  return serialize(to);
}

// Of clusters without settings or credential.
const std::string& rendered_shape(Shape shape) {
  static const auto* const all = [] {
    const ir::ClusterSettings none;
    auto* made = new std::array<std::string, kShapes>;
    for (std::size_t i = 0; i < kShapes; ++i) (*made)[i] = render_shape(shape_at(i), none, nullptr);
    return made;
  }();
  return (*all)[shape.index()];
}

// The sockets to the endpoints, where they are more than plain ones.
void fill_sockets(const ir::Cluster& cluster, Cluster* to) {
  std::optional<ir::ProxyProtocol> proxy_protocol;
  if (cluster.settings) proxy_protocol = cluster.settings->proxy_protocol;
  const auto add_match = [&](const std::string& name, const ir::UpstreamTls& tls) {
    Cluster::TransportSocketMatch* match = to->add_transport_socket_matches();
    match->set_name(name);
    (*match->mutable_match()->mutable_fields())["name"].set_string_value(name);
    fill_upstream_tls(tls, true, match->mutable_transport_socket());
    if (proxy_protocol) add_proxy_protocol(*proxy_protocol, match->mutable_transport_socket());
  };
  bool plaintext = true;
  if (cluster.discovery == ir::Discovery::kDynamic && cluster.tls) {
    fill_upstream_tls(*cluster.tls, false, to->mutable_transport_socket());
  } else if (cluster.tls || !cluster.tls_by_name.empty()) {
    plaintext = cluster.tls && cluster.tls->beside_plaintext;
    if (cluster.tls) add_match(kTlsMatch, *cluster.tls);
    for (const auto& [name, tls] : cluster.tls_by_name) {
      add_match(name, tls);
      plaintext = plaintext || tls.beside_plaintext;
    }
    if (!plaintext) fill_unasked_tls(to->mutable_transport_socket());
  }
  if (proxy_protocol) add_proxy_protocol(*proxy_protocol, to->mutable_transport_socket());
}

}  // namespace

std::string render_cluster(const ir::Cluster& cluster, const ir::ClusterReport& report) {
  const bool unlogged = cluster.settings && cluster.settings->health_check &&
                        !cluster.settings->health_check->log && report.health_check_log;
  if (unlogged) {
    ir::Cluster logged = cluster;
    logged.settings->health_check->log = report.health_check_log;
    return render_cluster(logged, report);
  }
  std::string own;
  if (cluster.settings || cluster.credential) {
    own = render_shape(shape_of(cluster), cluster.settings ? *cluster.settings : ir::ClusterSettings(),
                       cluster.credential ? &*cluster.credential : nullptr);
  }
  const std::string& shared = own.empty() ? rendered_shape(shape_of(cluster)) : own;
  std::string out;
  out.reserve(shared.size() + 2 * cluster.name.size() + 128);
  append_field(out, Cluster::kNameFieldNumber, cluster.name);
  out += shared;
  if (!cluster.stat_name.empty()) append_field(out, Cluster::kAltStatNameFieldNumber, cluster.stat_name);
  if (report.per_endpoint || report.sizes) {
    cluster_v3::TrackClusterStats statistics;
    statistics.set_per_endpoint_stats(report.per_endpoint);
    statistics.set_request_response_sizes(report.sizes);
    append_field(out, Cluster::kTrackClusterStatsFieldNumber, statistics);
  }
  if (cluster.owner != ObjectKey{}) append_owner(out, Cluster::kMetadataFieldNumber, cluster.owner);
  if (cluster.discovery == ir::Discovery::kDns) {
    append_nested(out, Cluster::kLoadAssignmentFieldNumber, [&] {
      const std::uint16_t health_port = cluster.settings ? cluster.settings->health_port() : 0;
      append_assignment(cluster.name, cluster.dns_localities, cluster.tls.has_value(), health_port, out);
    });
  }
  if (cluster.tls || !cluster.tls_by_name.empty() || (cluster.settings && cluster.settings->proxy_protocol)) {
    Cluster rest;
    fill_sockets(cluster, &rest);
    append_serialized(out, rest);
  }
  return out;
}

}  // namespace sluice::xds

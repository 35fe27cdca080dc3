#include <array>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb.h"
#include "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.pb.h"
#include "envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "xds/dns.h"
#include "xds/duration.h"
#include "xds/endpoints.h"
#include "xds/render.h"
#include "xds/tls.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
namespace http_v3 = envoy::extensions::upstreams::http::v3;

using Cluster = cluster_v3::Cluster;

namespace {

// ADS answers at once, even for a Service without endpoints. Should it not, the cluster is better warm and
// empty than in the way of all others.
constexpr ir::Duration kEndpointsTimeout{5'000};

// How a protocol is chosen; kAuto is by ALPN.
enum class Protocol : std::uint8_t { kUnset, kHttp1, kHttp2, kAuto };

// What a cluster has in common with nearly all others.
struct Settings {
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
constexpr std::size_t kSettings = 256;

Settings settings_at(std::size_t index) {
  return {.discovery = static_cast<ir::Discovery>(index & 3U),
          .protocol = static_cast<Protocol>(index >> 2U & 3U),
          .auto_sni = (index & 16U) != 0,
          .auto_san = (index & 32U) != 0,
          .prefer_local_zone = (index & 64U) != 0,
          .ipv6_preferred = (index & 128U) != 0};
}

Settings settings_of(const ir::Cluster& cluster) {
  Settings settings{.discovery = cluster.discovery,
                    .prefer_local_zone = cluster.prefer_local_zone,
                    .ipv6_preferred = cluster.ipv6_preferred};
  const ir::UpstreamTls* tls = cluster.tls                   ? &*cluster.tls
                               : cluster.tls_by_name.empty() ? nullptr
                                                             : &cluster.tls_by_name.front().second;
  settings.auto_sni = tls != nullptr && tls->sni.empty() && !tls->sni_from_endpoint;
  settings.auto_san =
      settings.auto_sni && cluster.discovery == ir::Discovery::kDynamic && !tls->validation_secret.empty();
  switch (cluster.protocol) {
    case ir::UpstreamProtocol::kHttp1Explicit:
      settings.protocol = Protocol::kHttp1;
      break;
    case ir::UpstreamProtocol::kHttp2:
      settings.protocol = Protocol::kHttp2;
      break;
    case ir::UpstreamProtocol::kHttp1:
      if (tls != nullptr && !tls->beside_plaintext) {
        settings.protocol = Protocol::kAuto;
      } else if (settings.auto_sni) {
        settings.protocol = Protocol::kHttp1;  // what carries auto_sni has to name a protocol
      }
      break;
  }
  return settings;
}

void fill_http2(core::Http2ProtocolOptions* to) {
  to->mutable_initial_stream_window_size()->set_value(65'536);
  to->mutable_initial_connection_window_size()->set_value(1'048'576);
}

void fill_protocol(Settings settings, Cluster* to) {
  if (settings.protocol == Protocol::kUnset) return;
  http_v3::HttpProtocolOptions options;
  switch (settings.protocol) {
    case Protocol::kUnset:
      break;
    case Protocol::kHttp1:
      options.mutable_explicit_http_config()->mutable_http_protocol_options();
      break;
    case Protocol::kHttp2:
      fill_http2(options.mutable_explicit_http_config()->mutable_http2_protocol_options());
      break;
    case Protocol::kAuto:
      options.mutable_auto_config()->mutable_http_protocol_options();
      fill_http2(options.mutable_auto_config()->mutable_http2_protocol_options());
      break;
  }
  if (settings.auto_sni) options.mutable_upstream_http_protocol_options()->set_auto_sni(true);
  if (settings.auto_san) options.mutable_upstream_http_protocol_options()->set_auto_san_validation(true);
  pack(options, &(*to->mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
}

void fill_load_balancing(Settings settings, Cluster* to) {
  auto* config = to->mutable_load_balancing_policy()->add_policies()->mutable_typed_extension_config();
  if (settings.discovery == ir::Discovery::kDynamic) {
    config->set_name("envoy.load_balancing_policies.cluster_provided");
    pack(envoy::extensions::load_balancing_policies::cluster_provided::v3::ClusterProvided(),
         config->mutable_typed_config());
    return;
  }
  envoy::extensions::load_balancing_policies::least_request::v3::LeastRequest policy;
  auto* locality = policy.mutable_locality_lb_config();
  if (settings.prefer_local_zone) {
    locality->mutable_zone_aware_lb_config()->mutable_min_cluster_size()->set_value(1);
  } else {
    locality->mutable_locality_weighted_lb_config();
  }
  config->set_name("envoy.load_balancing_policies.least_request");
  pack(policy, config->mutable_typed_config());
}

void fill_discovery(Settings settings, Cluster* to) {
  namespace dns_v3 = envoy::extensions::clusters::common::dns::v3;
  constexpr int kRefreshSeconds = 30;
  switch (settings.discovery) {
    case ir::Discovery::kEds:
      to->set_type(Cluster::EDS);
      fill_ads(kEndpointsTimeout, to->mutable_eds_cluster_config()->mutable_eds_config());
      break;
    case ir::Discovery::kDns: {
      envoy::extensions::clusters::dns::v3::DnsCluster dns;
      dns.mutable_dns_refresh_rate()->set_seconds(kRefreshSeconds);
      dns.set_respect_dns_ttl(true);
      dns.set_dns_lookup_family(settings.ipv6_preferred ? dns_v3::ALL : dns_v3::V4_PREFERRED);
      to->mutable_cluster_type()->set_name("envoy.cluster.dns");
      pack(dns, to->mutable_cluster_type()->mutable_typed_config());
      break;
    }
    case ir::Discovery::kDynamic: {
      envoy::extensions::clusters::dynamic_forward_proxy::v3::ClusterConfig config;
      fill_dns_cache(settings.ipv6_preferred, config.mutable_dns_cache_config());
      to->mutable_cluster_type()->set_name("envoy.clusters.dynamic_forward_proxy");
      pack(config, to->mutable_cluster_type()->mutable_typed_config());
      break;
    }
    case ir::Discovery::kNone:
      to->set_type(Cluster::STATIC);
      break;
  }
}

std::string render_settings(Settings settings) {
  Cluster to;
  if (settings.discovery == ir::Discovery::kNone) {
    // Nothing else says anything of a cluster that nobody is in.
    fill_discovery(settings, &to);
    return serialize(to);
  }
  to.mutable_connect_timeout()->set_seconds(10);
  to.mutable_per_connection_buffer_limit_bytes()->set_value(32'768);
  to.mutable_circuit_breakers()->add_thresholds()->mutable_max_retries()->set_value(1'024);
  to.set_ignore_health_on_host_removal(true);
  to.mutable_common_lb_config();
  to.set_dns_lookup_family(settings.ipv6_preferred ? Cluster::ALL : Cluster::V4_PREFERRED);
  fill_discovery(settings, &to);
  fill_load_balancing(settings, &to);
  fill_protocol(settings, &to);
  return serialize(to);
}

const std::string& rendered_settings(Settings settings) {
  static const auto* const all = [] {
    auto* made = new std::array<std::string, kSettings>;
    for (std::size_t i = 0; i < kSettings; ++i) (*made)[i] = render_settings(settings_at(i));
    return made;
  }();
  return (*all)[settings.index()];
}

}  // namespace

std::string render_cluster(const ir::Cluster& cluster) {
  const std::string& shared = rendered_settings(settings_of(cluster));
  std::string out;
  out.reserve(shared.size() + 2 * cluster.name.size() + 128);
  append_field(out, Cluster::kNameFieldNumber, cluster.name);
  out += shared;
  if (cluster.owner != ObjectKey{}) append_owner(out, Cluster::kMetadataFieldNumber, cluster.owner);
  const bool several = !cluster.tls_by_name.empty();
  if (cluster.discovery == ir::Discovery::kDns) {
    append_nested(out, Cluster::kLoadAssignmentFieldNumber, [&] {
      append_assignment(cluster.name, cluster.dns_localities, cluster.tls.has_value(), out);
    });
  }
  if (cluster.tls || several) {
    Cluster rest;
    bool beside_plaintext = false;
    const auto add_match = [&](const std::string& name, const ir::UpstreamTls& tls) {
      Cluster::TransportSocketMatch* match = rest.add_transport_socket_matches();
      match->set_name(name);
      (*match->mutable_match()->mutable_fields())["name"].set_string_value(name);
      fill_upstream_tls(tls, true, match->mutable_transport_socket());
      beside_plaintext = beside_plaintext || tls.beside_plaintext;
    };
    if (cluster.discovery == ir::Discovery::kDynamic) {
      fill_upstream_tls(*cluster.tls, false, rest.mutable_transport_socket());
    } else if (cluster.tls || several) {
      if (cluster.tls) add_match(kTlsMatch, *cluster.tls);
      for (const auto& [name, tls] : cluster.tls_by_name) add_match(name, tls);
      if (!beside_plaintext) fill_unasked_tls(rest.mutable_transport_socket());
    }
    append_serialized(out, rest);
  }
  return out;
}

}  // namespace sluice::xds

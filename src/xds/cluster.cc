#include <array>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

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
  bool dns = false;
  Protocol protocol = Protocol::kUnset;
  bool auto_sni = false;
  bool prefer_local_zone = false;
  bool ipv6_preferred = false;

  std::size_t index() const {
    return (dns ? 1U : 0U) | static_cast<std::size_t>(protocol) << 1U | (auto_sni ? 8U : 0U) |
           (prefer_local_zone ? 16U : 0U) | (ipv6_preferred ? 32U : 0U);
  }
};
constexpr std::size_t kSettings = 64;

Settings settings_at(std::size_t index) {
  return {.dns = (index & 1U) != 0,
          .protocol = static_cast<Protocol>(index >> 1U & 3U),
          .auto_sni = (index & 8U) != 0,
          .prefer_local_zone = (index & 16U) != 0,
          .ipv6_preferred = (index & 32U) != 0};
}

Settings settings_of(const ir::Cluster& cluster) {
  Settings settings{.dns = cluster.discovery == ir::Discovery::kDns,
                    .prefer_local_zone = cluster.prefer_local_zone,
                    .ipv6_preferred = cluster.ipv6_preferred};
  settings.auto_sni = cluster.tls && cluster.tls->sni.empty() && !cluster.tls->sni_from_endpoint;
  switch (cluster.protocol) {
    case ir::UpstreamProtocol::kHttp1Explicit:
      settings.protocol = Protocol::kHttp1;
      break;
    case ir::UpstreamProtocol::kHttp2:
      settings.protocol = Protocol::kHttp2;
      break;
    case ir::UpstreamProtocol::kHttp1:
      if (cluster.tls && !cluster.tls->beside_plaintext) {
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
  pack(options, &(*to->mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
}

void fill_load_balancing(Settings settings, Cluster* to) {
  envoy::extensions::load_balancing_policies::least_request::v3::LeastRequest policy;
  auto* locality = policy.mutable_locality_lb_config();
  if (settings.prefer_local_zone) {
    locality->mutable_zone_aware_lb_config()->mutable_min_cluster_size()->set_value(1);
  } else {
    locality->mutable_locality_weighted_lb_config();
  }
  auto* config = to->mutable_load_balancing_policy()->add_policies()->mutable_typed_extension_config();
  config->set_name("envoy.load_balancing_policies.least_request");
  pack(policy, config->mutable_typed_config());
}

std::string render_settings(Settings settings) {
  Cluster to;
  to.mutable_connect_timeout()->set_seconds(10);
  to.mutable_per_connection_buffer_limit_bytes()->set_value(32'768);
  to.mutable_circuit_breakers()->add_thresholds()->mutable_max_retries()->set_value(1'024);
  to.set_ignore_health_on_host_removal(true);
  to.mutable_common_lb_config();
  to.set_dns_lookup_family(settings.ipv6_preferred ? Cluster::ALL : Cluster::V4_PREFERRED);
  if (settings.dns) {
    envoy::extensions::clusters::dns::v3::DnsCluster dns;
    dns.mutable_dns_refresh_rate()->set_seconds(30);
    dns.set_respect_dns_ttl(true);
    dns.set_dns_lookup_family(settings.ipv6_preferred
                                  ? envoy::extensions::clusters::common::dns::v3::ALL
                                  : envoy::extensions::clusters::common::dns::v3::V4_PREFERRED);
    to.mutable_cluster_type()->set_name("envoy.cluster.dns");
    pack(dns, to.mutable_cluster_type()->mutable_typed_config());
  } else {
    to.set_type(Cluster::EDS);
    fill_ads(kEndpointsTimeout, to.mutable_eds_cluster_config()->mutable_eds_config());
  }
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
  if (cluster.discovery == ir::Discovery::kDns || cluster.tls) {
    Cluster rest;
    if (cluster.discovery == ir::Discovery::kDns) {
      fill_assignment(cluster.name, cluster.dns_localities, cluster.tls.has_value(),
                      rest.mutable_load_assignment());
    }
    if (cluster.tls) {
      Cluster::TransportSocketMatch* match = rest.add_transport_socket_matches();
      match->set_name(kTlsMatch);
      (*match->mutable_match()->mutable_fields())["name"].set_string_value(kTlsMatch);
      fill_upstream_tls(*cluster.tls, match->mutable_transport_socket());
      if (!cluster.tls->beside_plaintext) fill_unasked_tls(rest.mutable_transport_socket());
    }
    append_serialized(out, rest);
  }
  return out;
}

}  // namespace sluice::xds

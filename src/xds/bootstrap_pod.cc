#include "xds/bootstrap_pod.h"

#include <utility>

#include <fmt/format.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/extensions/compression/brotli/compressor/v3/brotli.pb.h"
#include "envoy/extensions/compression/gzip/compressor/v3/gzip.pb.h"
#include "envoy/extensions/compression/zstd/compressor/v3/zstd.pb.h"
#include "envoy/extensions/filters/http/compressor/v3/compressor.pb.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/http/injected_credentials/generic/v3/generic.pb.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "xds/duration.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace core = envoy::config::core::v3;
namespace tls_v3 = envoy::extensions::transport_sockets::tls::v3;
namespace hcm_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace compressor_v3 = envoy::extensions::filters::http::compressor::v3;

using Bootstrap = envoy::config::bootstrap::v3::Bootstrap;
using Listener = envoy::config::listener::v3::Listener;

namespace {

constexpr char kStatsCluster[] = "prometheus_stats";
constexpr char kHeapMonitor[] = "envoy.resource_monitors.fixed_heap";

void fill_socket_address(const std::string& address, std::uint16_t port, core::Address* to) {
  to->mutable_socket_address()->set_address(address);
  to->mutable_socket_address()->set_port_value(port);
}

void fill_file(const std::string& name, const std::string& path, core::ConfigSource* source,
               std::string* name_field) {
  *name_field = name;
  source->mutable_path_config_source()->set_path(path);
  source->set_resource_api_version(core::ApiVersion::V3);
}

template <typename Config>
void add_filter(const std::string& name, const Config& config, hcm_v3::HttpConnectionManager* to) {
  auto* filter = to->add_http_filters();
  filter->set_name(name);
  pack(config, filter->mutable_typed_config());
}

// ---- listeners -------------------------------------------------------------------------------

// On all addresses. `kind` is part of its name.
void fill_listener(const PodPlaces& places, const char* kind, std::uint16_t port,
                   const hcm_v3::HttpConnectionManager& manager, Listener* to) {
  const bool ipv6 = places.family != PodPlaces::Family::kIpv4;
  const std::string address = ipv6 ? "::" : "0.0.0.0";
  to->set_name(fmt::format("envoy-gateway-proxy-{}-{}-{}", kind, address, port));
  fill_socket_address(address, port, to->mutable_address());
  to->mutable_address()->mutable_socket_address()->set_ipv4_compat(ipv6);
  // Who asks how Envoy is wants to know it most when there is too much to do.
  to->set_bypass_overload_manager(true);
  auto* filter = to->add_filter_chains()->add_filters();
  filter->set_name("envoy.filters.network.http_connection_manager");
  pack(manager, filter->mutable_typed_config());
}

void add_compressor(const PodPlaces::Prometheus& prometheus, hcm_v3::HttpConnectionManager* to) {
  using Compression = PodPlaces::Prometheus::Compression;
  if (prometheus.compression == Compression::kNone) return;
  compressor_v3::Compressor config;
  auto* library = config.mutable_compressor_library();
  library->set_name("text_optimized");
  switch (prometheus.compression) {
    case Compression::kGzip:
      pack(envoy::extensions::compression::gzip::compressor::v3::Gzip(), library->mutable_typed_config());
      break;
    case Compression::kBrotli:
      pack(envoy::extensions::compression::brotli::compressor::v3::Brotli(), library->mutable_typed_config());
      break;
    case Compression::kZstd:
      pack(envoy::extensions::compression::zstd::compressor::v3::Zstd(), library->mutable_typed_config());
      break;
    case Compression::kNone:
      break;
  }
  if (prometheus.min_content_length) {
    config.mutable_response_direction_config()
        ->mutable_common_config()
        ->mutable_min_content_length()
        ->set_value(*prometheus.min_content_length);
  }
  add_filter("envoy.filters.http.compressor", config, to);
}

void fill_stats_listener(const PodPlaces& places, Listener* to) {
  hcm_v3::HttpConnectionManager manager;
  manager.set_stat_prefix("eg-stats-http");
  manager.mutable_normalize_path()->set_value(true);
  auto* table = manager.mutable_route_config();
  table->set_name("local_route");
  auto* host = table->add_virtual_hosts();
  host->set_name(kStatsCluster);
  host->add_domains("*");
  auto* route = host->add_routes();
  route->mutable_match()->set_path(kStatsPath);
  auto* method = route->mutable_match()->add_headers();
  method->set_name(":method");
  method->mutable_string_match()->set_exact("GET");
  route->mutable_route()->set_cluster(kStatsCluster);
  add_compressor(*places.prometheus, &manager);
  add_filter("envoy.filters.http.router", envoy::extensions::filters::http::router::v3::Router(), &manager);
  fill_listener(places, "stats", kStatsPort, manager, to);
}

// ---- statistics and limits -------------------------------------------------------------------

// Tags by which Envoy Gateway's dashboards tell statistics apart.
void fill_stats(const PodPlaces& places, envoy::config::metrics::v3::StatsConfig* to) {
  static constexpr std::pair<const char*, const char*> kTags[] = {
      {"from_zone", R"(\.zone(\.(([^\.]+)\.)))"},
      {"to_zone", R"(\.zone\.[^\.]+\.(([^\.]+)\.))"},
      {"socket_match_name", R"(^cluster(\..+\.(.+))\.total_match_count$)"},
      {"priority", R"(circuit_breakers\.((.+?)\.).+)"}};
  to->mutable_use_all_default_tags()->set_value(true);
  for (const auto& [name, regex] : kTags) {
    auto* tag = to->add_stats_tags();
    tag->set_tag_name(name);
    tag->set_regex(regex);
  }
  for (const auto& [kind, value] : places.stat_names) {
    auto* pattern = to->mutable_stats_matcher()->mutable_inclusion_list()->add_patterns();
    switch (kind) {
      case ir::MatchKind::kExact:
        pattern->set_exact(value);
        break;
      case ir::MatchKind::kPrefix:
        pattern->set_prefix(value);
        break;
      case ir::MatchKind::kSuffix:
        pattern->set_suffix(value);
        break;
      case ir::MatchKind::kRegex:
        pattern->mutable_safe_regex()->set_regex(value);
        break;
    }
  }
}

// Before the kernel ends Envoy, with all of its connections: first memory is given back, then no more is
// taken. The shares are Envoy Gateway's.
void fill_heap_limit(std::uint64_t limit, envoy::config::overload::v3::OverloadManager* to) {
  envoy::extensions::resource_monitors::fixed_heap::v3::FixedHeapConfig heap;
  heap.set_max_heap_size_bytes(limit);
  auto* monitor = to->add_resource_monitors();
  monitor->set_name(kHeapMonitor);
  pack(heap, monitor->mutable_typed_config());
  static constexpr std::pair<const char*, double> kActions[] = {
      {"envoy.overload_actions.shrink_heap", 0.95}, {"envoy.overload_actions.stop_accepting_requests", 0.98}};
  for (const auto& [name, share] : kActions) {
    auto* action = to->add_actions();
    action->set_name(name);
    auto* trigger = action->add_triggers();
    trigger->set_name(kHeapMonitor);
    trigger->mutable_threshold()->set_value(share);
  }
}

// ---- ADS -------------------------------------------------------------------------------------

void add_token(const std::string& file, envoy::extensions::upstreams::http::v3::HttpProtocolOptions* to) {
  envoy::extensions::http::injected_credentials::generic::v3::Generic generic;
  auto* credential = generic.mutable_credential();
  fill_file(kToken, file, credential->mutable_sds_config(), credential->mutable_name());
  generic.set_header_value_prefix("Bearer ");
  envoy::extensions::filters::http::credential_injector::v3::CredentialInjector injector;
  injector.set_overwrite(true);
  injector.mutable_credential()->set_name("envoy.http.injected_credentials.generic");
  pack(generic, injector.mutable_credential()->mutable_typed_config());
  auto* filter = to->add_http_filters();
  filter->set_name("envoy.filters.http.credential_injector");
  pack(injector, filter->mutable_typed_config());
  auto* codec = to->add_http_filters();
  codec->set_name("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec");
  pack(envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec(), codec->mutable_typed_config());
}

}  // namespace

void fill_admin_address(const PodPlaces& places, core::Address* to) {
  fill_socket_address(places.family == PodPlaces::Family::kIpv6 ? "::1" : "127.0.0.1", kAdminPort, to);
}

void fill_xds_endpoint(const PodPlaces& places, envoy::config::cluster::v3::Cluster* to) {
  constexpr char kHttpOptions[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  to->set_type(envoy::config::cluster::v3::Cluster::STRICT_DNS);
  // Name resolution and a handshake, across a network.
  fill_duration(ir::Duration(10'000), to->mutable_connect_timeout());
  fill_socket_address(places.xds_host, places.xds_port,
                      to->mutable_load_assignment()
                          ->add_endpoints()
                          ->add_lb_endpoints()
                          ->mutable_endpoint()
                          ->mutable_address());
  if (!places.token_file.empty()) {
    auto& packed = (*to->mutable_typed_extension_protocol_options())[kHttpOptions];
    envoy::extensions::upstreams::http::v3::HttpProtocolOptions options;
    packed.UnpackTo(&options);
    add_token(places.token_file, &options);
    pack(options, &packed);
  }
  tls_v3::UpstreamTlsContext context;
  tls_v3::CommonTlsContext* common = context.mutable_common_tls_context();
  // Both sides are ours.
  common->mutable_tls_params()->set_tls_minimum_protocol_version(tls_v3::TlsParameters::TLSv1_3);
  common->mutable_tls_params()->set_tls_maximum_protocol_version(tls_v3::TlsParameters::TLSv1_3);
  if (!places.certificate_file.empty()) {
    auto* secret = common->add_tls_certificate_sds_secret_configs();
    fill_file(kCertificate, places.certificate_file, secret->mutable_sds_config(), secret->mutable_name());
  }
  auto* trusted = common->mutable_validation_context_sds_secret_config();
  fill_file(kTrustedCa, places.ca_file, trusted->mutable_sds_config(), trusted->mutable_name());
  to->mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
  pack(context, to->mutable_transport_socket()->mutable_typed_config());
}

void fill_ready_listener(const PodPlaces& places, Listener* to) {
  hcm_v3::HttpConnectionManager manager;
  manager.set_stat_prefix("eg-ready-http");
  manager.mutable_route_config()->set_name("ready_route");
  envoy::extensions::filters::http::health_check::v3::HealthCheck check;
  check.mutable_pass_through_mode()->set_value(false);
  auto* path = check.add_headers();
  path->set_name(":path");
  path->mutable_string_match()->set_exact(kReadyPath);
  add_filter("envoy.filters.http.health_check", check, &manager);
  add_filter("envoy.filters.http.router", envoy::extensions::filters::http::router::v3::Router(), &manager);
  fill_listener(places, "ready", kReadyPort, manager, to);
}

void fill_pod_defaults(const PodPlaces& places, Bootstrap* to) {
  fill_stats(places, to->mutable_stats_config());
  if (places.heap_limit > 0) fill_heap_limit(places.heap_limit, to->mutable_overload_manager());
  if (!places.prometheus) return;
  fill_stats_listener(places, to->mutable_static_resources()->add_listeners());
  auto* cluster = to->mutable_static_resources()->add_clusters();
  cluster->set_name(kStatsCluster);
  cluster->set_type(envoy::config::cluster::v3::Cluster::STATIC);
  fill_duration(ir::Duration(250), cluster->mutable_connect_timeout());
  auto* assignment = cluster->mutable_load_assignment();
  assignment->set_cluster_name(kStatsCluster);
  fill_admin_address(places,
                     assignment->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address());
}

}  // namespace sluice::xds

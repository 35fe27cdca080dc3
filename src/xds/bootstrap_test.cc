#include "xds/bootstrap.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/util/json_util.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "xds/message_json.h"
#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using envoy::config::bootstrap::v3::Bootstrap;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using nlohmann::json;
using Change = ir::Proxy::BootstrapChange;

const BootstrapPlaces kPlaces{
    .node_id = "node-1", .xds_socket = "/run/xds.sock", .admin_socket = "@sluice/admin"};

ir::Proxy changed(Change change, std::string text) {
  return {.key = "default/gw", .bootstrap_change = change, .bootstrap = std::move(text)};
}

std::string message_of(const ir::Proxy& proxy) {
  const auto made = render_bootstrap(proxy, kPlaces);
  if (made) return "no problem";
  EXPECT_EQ(made.error().code, "value/bootstrap");
  return made.error().message;
}

TEST(Bootstrap, Text) {
  const auto made = render_bootstrap({.key = "default/gw"}, kPlaces);
  ASSERT_TRUE(made);
  EXPECT_EQ(json::parse(*made), json::parse(R"({
    "node": {"id": "node-1", "cluster": "default/gw"},
    "admin": {"address": {"pipe": {"path": "@sluice/admin"}}},
    "dynamic_resources": {
      "ads_config": {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": true,
        "grpc_services": [{"envoy_grpc": {
          "cluster_name": "xds_cluster",
          "retry_policy": {"retry_back_off": {"base_interval": "0.100s", "max_interval": "1s"}}}}]
      },
      "lds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
      "cds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    },
    "static_resources": {"clusters": [{
      "name": "xds_cluster",
      "type": "STATIC",
      "connect_timeout": "1s",
      "load_assignment": {
        "cluster_name": "xds_cluster",
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "/run/xds.sock"}}}}]}]
      },
      "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {
          "connection_keepalive": {"interval": "30s", "timeout": "5s"}}}}}
    }]},
    "layered_runtime": {"layers": [{"name": "global_config", "static_layer": {
      "re2.max_program_size.error_level": 4294967295,
      "re2.max_program_size.warn_level": 1000}}]},
    "overload_manager": {
      "refresh_interval": "0.250s",
      "resource_monitors": [{
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
          "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
          "max_active_downstream_connections": "50000"}}]
    },
    "deferred_stat_options": {"enable_deferred_creation_stats": true}
  })"));
}

TEST(Bootstrap, SocketFilesAreForOneUser) {
  const auto made = render_bootstrap({.key = "gw"}, {.admin_socket = "/run/admin.sock"});
  ASSERT_TRUE(made);
  EXPECT_EQ(json::parse(*made)["admin"]["address"]["pipe"],
            json::parse(R"({"path": "/run/admin.sock", "mode": 384})"));
}

// Either spelling of a field; messages merge and lists grow.
TEST(Bootstrap, Merge) {
  const auto made = render_bootstrap(changed(Change::kMerge, R"({
        "layeredRuntime": {"layers": [{"name": "mine", "static_layer": {"a": 1}}]},
        "stats_config": {"use_all_default_tags": false},
        "static_resources": {"clusters": [{"name": "mine"}]}})"),
                                     kPlaces);
  ASSERT_TRUE(made);
  const json document = json::parse(*made);
  EXPECT_EQ(document["layered_runtime"]["layers"].size(), 2U);
  EXPECT_EQ(document["layered_runtime"]["layers"][1]["name"], "mine");
  EXPECT_EQ(document["static_resources"]["clusters"][1]["name"], "mine");
  EXPECT_EQ(document["stats_config"]["use_all_default_tags"], false);
}

TEST(Bootstrap, Patch) {
  const auto made = render_bootstrap(changed(Change::kJsonPatch, R"([
        {"op": "replace", "path": "/overload_manager/refresh_interval", "value": "1s"},
        {"op": "add", "path": "/layered_runtime/layers/-", "value": {"name": "mine", "admin_layer": {}}}])"),
                                     kPlaces);
  ASSERT_TRUE(made);
  const json document = json::parse(*made);
  EXPECT_EQ(document["overload_manager"]["refresh_interval"], "1s");
  EXPECT_EQ(document["layered_runtime"]["layers"][1]["name"], "mine");
}

// A whole bootstrap keeps all but what connects the proxy with us.
TEST(Bootstrap, Replace) {
  const auto made = render_bootstrap(changed(Change::kReplace, R"({
      "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 19000}}},
      "dynamic_resources": {"cds_config": {"path": "/etc/cds"}},
      "static_resources": {"clusters": [{"name": "xds_cluster", "type": "STRICT_DNS"}, {"name": "mine"}]},
      "stats_flush_interval": "9s"})"),
                                     kPlaces);
  ASSERT_TRUE(made);
  const auto ours = render_bootstrap({.key = "default/gw"}, kPlaces);
  json document = json::parse(*made);
  json expected = json::parse(*ours);
  EXPECT_EQ(document["dynamic_resources"], expected["dynamic_resources"]);
  EXPECT_EQ(document["admin"], expected["admin"]);
  EXPECT_EQ(document["static_resources"]["clusters"][0]["name"], "mine");
  EXPECT_EQ(document["static_resources"]["clusters"][1], expected["static_resources"]["clusters"][0]);
  EXPECT_EQ(document["stats_flush_interval"], "9s");
  EXPECT_FALSE(document.contains("overload_manager"));
}

TEST(Bootstrap, Mistakes) {
  EXPECT_EQ(message_of(changed(Change::kMerge, R"({"admn": {}})")),
            "not a bootstrap of Envoy: admn: Cannot find field");
  EXPECT_EQ(message_of(changed(Change::kJsonPatch, R"({"op": "remove"})")),
            "JSON patches are a list of operations");
  EXPECT_EQ(message_of(changed(Change::kJsonPatch, R"([{"op": "remove", "path": "/nothing"}])")),
            "JSON patch 1 does not apply: key 'nothing' not found");
  EXPECT_EQ(message_of(changed(Change::kJsonPatch, R"([{"op": "remove", "path": "/dynamic_resources"}])")),
            "dynamic_resources must stay as they are");
  EXPECT_EQ(
      message_of(changed(Change::kMerge, R"({"static_resources": {"clusters": [{"name": "xds_cluster"}]}})")),
      "the cluster `xds_cluster` must stay as it is");
  EXPECT_EQ(message_of(changed(Change::kMerge, R"({"node": {"id": "other"}})")),
            "id and cluster of the node must stay as they are");
}

// ---- in a pod --------------------------------------------------------------------------------

PodPlaces pod_places() {
  return {.node_id = "$(POD)",
          .zone = "$(ZONE)",
          .xds_host = "sluice.system.svc.cluster.local.",
          .xds_port = 18'000,
          .ca_file = "/sds/ca.json",
          .certificate_file = "/sds/certificate.json",
          .token_file = "",
          .prometheus = PodPlaces::Prometheus()};
}

json in_pod(const PodPlaces& places, const ir::Proxy& proxy = {.key = "default/gw"}) {
  const auto made = render_pod_bootstrap(proxy, places);
  if (!made) return made.error().message;
  return json::parse(*made);
}

std::vector<std::string> names_of(const json& items) {
  std::vector<std::string> names;
  for (const json& item : items) names.push_back(item["name"]);
  return names;
}

const json::json_pointer kXds("/static_resources/clusters/1");
const json::json_pointer kStats("/static_resources/listeners/0");
const json::json_pointer kReady("/static_resources/listeners/1");
const json::json_pointer kManager("/filter_chains/0/filters/0/typed_config");

// Users' patches count them.
TEST(PodBootstrap, HasTheOrderOfEnvoyGateways) {
  const json resources = in_pod(pod_places())["static_resources"];
  EXPECT_EQ(names_of(resources["clusters"]), (std::vector<std::string>{"prometheus_stats", "xds_cluster"}));
  EXPECT_EQ(names_of(resources["listeners"]),
            (std::vector<std::string>{"envoy-gateway-proxy-stats-0.0.0.0-19001",
                                      "envoy-gateway-proxy-ready-0.0.0.0-19003"}));
}

TEST(PodBootstrap, SaysWhoAndWhereItIs) {
  const json node = {{"id", "$(POD)"}, {"cluster", "default/gw"}, {"locality", {{"zone", "$(ZONE)"}}}};
  EXPECT_EQ(in_pod(pod_places())["node"], node);
}

TEST(PodBootstrap, AdminIsOnTheLoopbackInterface) {
  EXPECT_EQ(in_pod(pod_places())["admin"]["address"],
            json::parse(R"({"socket_address": {"address": "127.0.0.1", "port_value": 19000}})"));
}

TEST(PodBootstrap, ShowsACertificateFromAFile) {
  const json cluster = in_pod(pod_places())[kXds];
  EXPECT_EQ(cluster["type"], "STRICT_DNS");
  EXPECT_EQ(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"],
            json::parse(R"({"socket_address": {"address": "sluice.system.svc.cluster.local.",
                                               "port_value": 18000}})"));
  EXPECT_EQ(cluster["transport_socket"]["typed_config"]["common_tls_context"], json::parse(R"({
    "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
    "tls_certificate_sds_secret_configs": [{"name": "xds_certificate", "sds_config": {
      "path_config_source": {"path": "/sds/certificate.json"}, "resource_api_version": "V3"}}],
    "validation_context_sds_secret_config": {"name": "xds_trusted_ca", "sds_config": {
      "path_config_source": {"path": "/sds/ca.json"}, "resource_api_version": "V3"}}
  })"));
}

TEST(PodBootstrap, ShowsATokenInPlaceOfACertificate) {
  PodPlaces places = pod_places();
  places.certificate_file.clear();
  places.token_file = "/sds/token.json";
  const json cluster = in_pod(places)[kXds];
  EXPECT_FALSE(cluster["transport_socket"]["typed_config"]["common_tls_context"].contains(
      "tls_certificate_sds_secret_configs"));
  const json& options =
      cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
  EXPECT_TRUE(options["explicit_http_config"].contains("http2_protocol_options"));
  EXPECT_EQ(names_of(options["http_filters"]),
            (std::vector<std::string>{"envoy.filters.http.credential_injector",
                                      "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}));
  const json& credential = options["http_filters"][0]["typed_config"]["credential"]["typed_config"];
  EXPECT_EQ(credential["credential"]["name"], "jwt-sa-bearer");
  EXPECT_EQ(credential["header_value_prefix"], "Bearer ");
}

TEST(PodBootstrap, AnswersProbesOnAllAddresses) {
  const json ready = in_pod(pod_places())[kReady];
  EXPECT_EQ(ready["address"]["socket_address"],
            json::parse(R"({"address": "0.0.0.0", "port_value": 19003})"));
  EXPECT_EQ(ready[kManager]["http_filters"][0]["typed_config"]["headers"],
            json::parse(R"([{"name": ":path", "string_match": {"exact": "/ready"}}])"));
}

TEST(PodBootstrap, TakesIpv6Addresses) {
  PodPlaces places = pod_places();
  places.family = PodPlaces::Family::kDualStack;
  const json both = in_pod(places);
  EXPECT_EQ(both[kReady]["name"], "envoy-gateway-proxy-ready-::-19003");
  EXPECT_EQ(both[kReady]["address"]["socket_address"]["ipv4_compat"], true);
  EXPECT_EQ(both["admin"]["address"]["socket_address"]["address"], "127.0.0.1");
  places.family = PodPlaces::Family::kIpv6;
  EXPECT_EQ(in_pod(places)["admin"]["address"]["socket_address"]["address"], "::1");
}

TEST(PodBootstrap, HasNothingForPrometheusWhereNobodyAsks) {
  PodPlaces places = pod_places();
  places.prometheus.reset();
  const json resources = in_pod(places)["static_resources"];
  EXPECT_EQ(names_of(resources["clusters"]), std::vector<std::string>{"xds_cluster"});
  EXPECT_EQ(names_of(resources["listeners"]),
            std::vector<std::string>{"envoy-gateway-proxy-ready-0.0.0.0-19003"});
}

TEST(PodBootstrap, CompressesMetrics) {
  using Compression = PodPlaces::Prometheus::Compression;
  PodPlaces places = pod_places();
  for (const auto& [form, type] : {std::pair(Compression::kGzip, "gzip.compressor.v3.Gzip"),
                                   std::pair(Compression::kBrotli, "brotli.compressor.v3.Brotli"),
                                   std::pair(Compression::kZstd, "zstd.compressor.v3.Zstd")}) {
    places.prometheus = PodPlaces::Prometheus{.compression = form, .min_content_length = 1'024};
    const json filter = in_pod(places)[kStats][kManager]["http_filters"][0]["typed_config"];
    EXPECT_EQ(filter["compressor_library"]["typed_config"]["@type"],
              std::string("type.googleapis.com/envoy.extensions.compression.") + type);
    EXPECT_EQ(filter["response_direction_config"]["common_config"]["min_content_length"], 1'024);
  }
}

TEST(PodBootstrap, KeepsTheStatisticsThatAreAskedFor) {
  PodPlaces places = pod_places();
  EXPECT_FALSE(in_pod(places)["stats_config"].contains("stats_matcher"));
  places.stat_names = {{ir::MatchKind::kExact, "a"},
                       {ir::MatchKind::kPrefix, "b"},
                       {ir::MatchKind::kSuffix, "c"},
                       {ir::MatchKind::kRegex, "d"}};
  EXPECT_EQ(in_pod(places)["stats_config"]["stats_matcher"], json::parse(R"({"inclusion_list": {"patterns": [
    {"exact": "a"}, {"prefix": "b"}, {"suffix": "c"}, {"safe_regex": {"regex": "d"}}]}})"));
}

TEST(PodBootstrap, DefendsItselfBelowItsLimit) {
  PodPlaces places = pod_places();
  EXPECT_FALSE(in_pod(places)["overload_manager"].contains("actions"));
  places.heap_limit = 1'000;
  const json manager = in_pod(places)["overload_manager"];
  EXPECT_EQ(manager["resource_monitors"][1]["typed_config"]["max_heap_size_bytes"], "1000");
  EXPECT_EQ(names_of(manager["actions"]),
            (std::vector<std::string>{"envoy.overload_actions.shrink_heap",
                                      "envoy.overload_actions.stop_accepting_requests"}));
}

TEST(PodBootstrap, OfUsersKeepsProbes) {
  const json made = in_pod(pod_places(), changed(Change::kReplace, R"({"stats_flush_interval": "9s"})"));
  EXPECT_EQ(names_of(made["static_resources"]["listeners"]),
            std::vector<std::string>{"envoy-gateway-proxy-ready-0.0.0.0-19003"});
  EXPECT_EQ(in_pod(pod_places(), changed(Change::kJsonPatch,
                                         R"([{"op": "remove", "path": "/static_resources/listeners/1"}])")),
            "the listener `envoy-gateway-proxy-ready-0.0.0.0-19003` must stay as it is");
}

// ---- Envoy's opinion -------------------------------------------------------------------------

void expect_taken(const std::string& bootstrap) {
  const std::string stem = testing::TempDir() + "sluice-bootstrap-" + std::to_string(getpid());
  std::ofstream(stem + ".json") << bootstrap;
  const int status =
      std::system(("build/envoy/envoy --mode validate -c " + stem + ".json > " + stem + ".log 2>&1").c_str());
  std::stringstream log;
  log << std::ifstream(stem + ".log").rdbuf();
  EXPECT_EQ(status, 0) << log.str();
  for (const char* complaint : {"[warning]", "[error]", "[critical]"}) {
    EXPECT_EQ(log.str().find(complaint), std::string::npos) << log.str();
  }
  std::filesystem::remove(stem + ".json");
  std::filesystem::remove(stem + ".log");
}

// The HTTP connection manager of a listener with its routes inside, for Envoy to check both.
void inline_routes(const std::string& routes, envoy::config::listener::v3::FilterChain* chain) {
  HttpConnectionManager manager;
  auto* config = chain->mutable_filters(0)->mutable_typed_config();
  ASSERT_TRUE(config->UnpackTo(&manager));
  ASSERT_TRUE(manager.mutable_route_config()->ParseFromString(routes));
  manager.mutable_route_config()->mutable_validate_clusters()->set_value(false);
  pack(manager, config);
}

// The real Envoy takes one of each resource, as static ones beside our bootstrap.
TEST(Bootstrap, EnvoyTakesIt) {
  if (!std::filesystem::exists("build/envoy/envoy")) {
    std::printf("skipped: no build/envoy/envoy\n");
    return;
  }
  ir::Forward everything{.clusters = {{.cluster = "eds", .weight = 1}, {.weight = 2}}};
  everything.rewrite = ir::Rewrite{.host = "b", .path = ir::PathRewrite{.prefix = "/"}};
  everything.mirrors = {{.cluster = "dns", .numerator = 1}};
  everything.timeout = ir::Duration(1'000);
  everything.retry = ir::Retry{.codes = {500}, .backoff = ir::Duration(100)};
  const ObjectKey owner{GroupKind("gateway.networking.k8s.io", "HTTPRoute"), {"default", "web"}};
  const auto route = [&](std::string path, ir::RouteAction action) {
    return ir::Route{.match = {.path = {.value = std::move(path)}, .cookies = {{.name = "c", .value = "v"}}},
                     .action = std::make_shared<const ir::RouteAction>(std::move(action)),
                     .owner = owner};
  };
  const std::string host = render_virtual_host(
      "table",
      {.host = "*.example.com",
       .routes = {
           route("/a", {everything}), route("/b", {ir::Redirect{.scheme = "https"}}),
           route("/", {ir::DirectResponse{.status = 503, .body = "no", .content_type = "text/plain"}})}});
  const std::string_view hosts[] = {host};
  const std::string routes = assemble_routes("table", hosts);

  ir::Listener plain{
      .name = "plain", .address = "127.0.0.1", .port = 10080, .access_logs = {ir::AccessLog()}};
  plain.chains = {
      {.name = "http", .route_table = "table", .stat_prefix = "http", .access_logs = {ir::AccessLog()}}};
  ir::Listener secure = plain;
  secure.name = "secure";
  secure.port = 10443;
  secure.chains[0].server_names = {"*.example.com"};
  secure.chains[0].tls = ir::DownstreamTls{.certificate_secrets = {"cert"}, .alpn = {"h2", "http/1.1"}};

  ir::Cluster tls{.name = "tls", .tls = ir::UpstreamTls{.validation_secret = "ca"}};
  ir::Cluster dns{.name = "dns", .discovery = ir::Discovery::kDns, .protocol = ir::UpstreamProtocol::kHttp2};
  dns.dns_localities = {{.endpoints = {{.address = "example.com", .port = 80}}}};

  const auto rendered = render_bootstrap({.key = "default/gw"}, kPlaces);
  ASSERT_TRUE(rendered);
  Bootstrap bootstrap;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(*rendered, &bootstrap).ok());
  auto* resources = bootstrap.mutable_static_resources();
  for (const ir::Cluster& cluster : {ir::Cluster{.name = "eds", .prefer_local_zone = true}, tls, dns}) {
    ASSERT_TRUE(resources->add_clusters()->ParseFromString(render_cluster(cluster)));
  }
  for (const ir::Listener& listener : {plain, secure}) {
    auto* made = resources->add_listeners();
    ASSERT_TRUE(made->ParseFromString(render_listener(listener)));
    inline_routes(routes, made->has_default_filter_chain() ? made->mutable_default_filter_chain()
                                                           : made->mutable_filter_chains(0));
  }

  expect_taken(*message_to_json(bootstrap, FieldNames::kProto));
}

TEST(PodBootstrap, EnvoyTakesIt) {
  if (!std::filesystem::exists("build/envoy/envoy")) {
    std::printf("skipped: no build/envoy/envoy\n");
    return;
  }
  const std::string folder = testing::TempDir() + "sluice-sds-" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  const auto file = [&](const std::string& name, const std::string& kind, const std::string& secret) {
    const std::string path = folder + "/" + name + ".json";
    std::ofstream(path) << R"({"resources": [{"@type": ")"
                        << "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
                        << R"(", "name": ")" << name << R"(", ")" << kind << R"(": )" << secret << "}]}";
    return path;
  };
  PodPlaces places = pod_places();
  places.ca_file = file(kTrustedCa, "validation_context", "{}");
  places.certificate_file = file(kCertificate, "tls_certificate", "{}");
  places.prometheus->compression = PodPlaces::Prometheus::Compression::kGzip;
  places.stat_names = {{ir::MatchKind::kRegex, "a.*"}};
  places.heap_limit = 1'000'000'000;
  expect_taken(*render_pod_bootstrap({.key = "default/gw"}, places));
  places.certificate_file.clear();
  places.token_file = file(kToken, "generic_secret", R"({"secret": {"inline_string": "x"}})");
  expect_taken(*render_pod_bootstrap({.key = "default/gw"}, places));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::xds

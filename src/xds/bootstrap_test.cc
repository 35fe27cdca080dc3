#include "xds/bootstrap.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

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

  ir::Listener plain{.name = "plain", .address = "127.0.0.1", .port = 10080, .access_log = ir::AccessLog()};
  plain.chains = {
      {.name = "http", .route_table = "table", .stat_prefix = "http", .access_log = ir::AccessLog()}};
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

  const std::string stem = testing::TempDir() + "sluice-bootstrap-" + std::to_string(getpid());
  std::ofstream(stem + ".json") << *message_to_json(bootstrap, FieldNames::kProto);
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

}  // namespace
}  // namespace sluice::xds

// Settings of clusters as Envoy Gateway makes them: each row is a cluster of a parity case, and settings that
// have to make the same.

#include "xds/cluster_settings.h"

#include <functional>
#include <tuple>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "envoy/config/cluster/v3/cluster.pb.h"

#include "xds/render.h"
#include "xds/testing.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using namespace std::chrono_literals;
using ir::LoadBalancing;
using nlohmann::json;

json rendered(const ir::Cluster& cluster) {
  return without_choices(as_json(ResourceType::kCluster, render_cluster(cluster)));
}

// What a cluster without settings has not.
json rendered(ir::ClusterSettings settings) {
  ir::Cluster cluster{.name = "web"};
  json plain = rendered(cluster);
  cluster.settings = std::move(settings);
  json made = rendered(cluster);
  for (auto& [key, value] : plain.items()) {
    if (made.contains(key) && made[key] == value) made.erase(key);
  }
  return made;
}

// ---- as Envoy Gateway --------------------------------------------------------------------------------

struct Row {
  const char* sentence;
  const char* parity_case;
  const char* cluster;
  std::function<void(ir::Cluster&)> change;
};

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.sentence; }

class SettingsAsEnvoyGateway : public testing::TestWithParam<Row> {};

TEST_P(SettingsAsEnvoyGateway, IsTheCluster) {
  ir::Cluster cluster{.name = GetParam().cluster};
  cluster.settings.emplace();
  GetParam().change(cluster);
  for (const json& expected : expected_clusters(GetParam().parity_case, cluster.name)) {
    EXPECT_EQ(rendered(cluster), expected);
  }
}

void http2(ir::Cluster& cluster) { cluster.protocol = ir::UpstreamProtocol::kHttp2; }

INSTANTIATE_TEST_SUITE_P(
    OfACase, SettingsAsEnvoyGateway,
    testing::Values(
        Row{"KeepaliveOfTcp", "backendtrafficpolicy-with-tcpkeepalive",
            "grpcroute/default/grpcroute-1/rule/0",
            [](ir::Cluster& cluster) {
              http2(cluster);
              cluster.settings->tcp_keepalive = {.probes = 3, .idle_seconds = 1'200, .interval_seconds = 60};
            }},
        Row{"Timeouts", "backendtrafficpolicy-with-timeout", "httproute/default/httproute-1/rule/0",
            [](ir::Cluster& cluster) {
              cluster.settings->connect_timeout = 20s;
              cluster.settings->connection_idle_timeout = 21s;
              cluster.settings->max_connection_duration = 22s;
            }},
        Row{"LengthOfStreams", "accesslog-als-grpc", "accesslog_als_0_0",
            [](ir::Cluster& cluster) {
              http2(cluster);
              cluster.settings->max_stream_duration = 30s;
            }},
        Row{"BufferLimit", "backendtrafficpolicy-buffer-limit", "httproute/default/httproute-1/rule/0",
            [](ir::Cluster& cluster) { cluster.settings->buffer_limit = 100'000'000; }},
        Row{"PanicThreshold", "backendtrafficpolicy-with-panic-threshold",
            "httproute/default/httproute-1/rule/0",
            [](ir::Cluster& cluster) { cluster.settings->panic_threshold = 66; }},
        Row{"Http2", "backendtrafficpolicy-with-http2", "grpcroute/default/grpcroute-1/rule/0",
            [](ir::Cluster& cluster) {
              http2(cluster);
              cluster.settings->http2 = {.stream_window = 2'097'152,
                                         .connection_window = 1'073'741'824,
                                         .max_streams = 500,
                                         .error_ends_stream = false};
            }},
        Row{"ProxyProtocolV1", "backendtrafficpolicy-with-proxyprotocol",
            "grpcroute/default/grpcroute-1/rule/0",
            [](ir::Cluster& cluster) {
              http2(cluster);
              cluster.settings->proxy_protocol = ir::ProxyProtocol::kV1;
            }},
        Row{"ProxyProtocolV2", "backendtrafficpolicy-with-proxyprotocol",
            "httproute/default/httproute-1/rule/0",
            [](ir::Cluster& cluster) { cluster.settings->proxy_protocol = ir::ProxyProtocol::kV2; }},
        Row{"CircuitBreakers", "securitypolicy-with-extauth-backendrefs",
            "securitypolicy/default/policy-for-gateway-1/extauth/0",
            [](ir::Cluster& cluster) {
              cluster.settings->circuit_breakers = {
                  .connections = 30'001, .pending = 1'024, .requests = 1'022, .retries = 1'023};
            }},
        Row{"NamesThatAreLookedUpEachSecond", "httproute-dynamic-resolver-host-rewriting",
            "httproute/default/httproute-2/rule/0",
            [](ir::Cluster& cluster) {
              cluster.discovery = ir::Discovery::kDynamic;
              cluster.settings->dns = {.refresh = 1s,
                                       .respect_ttl = true,
                                       .family = ir::Dns::Family::kBoth,
                                       .name = "default/dns-policy-for-httproute-2"};
            }},
        // A TCPRoute's: all at once.
        Row{"AllOfATcpRoute", "backendtrafficpolicy-with-tcp-udp-listeners-apply-on-route",
            "tcproute/default/tcp-app-1/rule/-1",
            [](ir::Cluster& cluster) {
              ir::ClusterSettings& settings = *cluster.settings;
              settings.circuit_breakers = {
                  .connections = 2'048, .pending = 1, .requests = 4'294'967'295, .retries = 1'024};
              settings.max_requests_per_connection = 1;
              settings.health_check = {.question = ir::HttpQuestion{.path = "/healthz",
                                                                    .method = ir::HttpQuestion::Method::kGet,
                                                                    .expected = {200, 300},
                                                                    .answer = "Everything OK"},
                                       .timeout = 500ms};
              settings.outlier_detection = {
                  .interval = 2s, .ejection_time = 160s, .max_ejected_percent = 100, .gateway_errors = 0};
              settings.load_balancing = {.kind = LoadBalancing::Kind::kHash, .table_size = 65'537};
              settings.proxy_protocol = ir::ProxyProtocol::kV2;
              settings.tcp_keepalive = {.probes = 3, .idle_seconds = 1'200, .interval_seconds = 60};
              settings.connect_timeout = 15s;
              settings.connection_idle_timeout = 16s;
              settings.max_connection_duration = 17s;
            }}),
    name_of);

// Backends with TLS and without, of a service that is asked by a filter.
TEST(ClusterSettings, OfAnExtProcServiceAsEnvoyGateway) {
  ir::Cluster cluster{.name = "envoyextensionpolicy/default/policy-for-http-route/extproc/0",
                      .protocol = ir::UpstreamProtocol::kHttp2};
  for (const auto& [name, host, policy] : {std::tuple("tls", "grpc-backend", "policy-btls-grpc"),
                                           std::tuple("tls/3", "ip-backend", "policy-btls-backend-ip")}) {
    ir::UpstreamTls tls{.sni = host,
                        .validation_secret = std::string(policy) + "/envoy-gateway-ca",
                        .beside_plaintext = true};
    tls.subject_alt_names = {{ir::SubjectAltName::Kind::kDns, host}};
    cluster.tls_by_name.emplace_back(name, std::move(tls));
  }
  ir::ClusterSettings& settings = cluster.settings.emplace();
  settings.circuit_breakers = {.connections = 2'048, .pending = 1'024, .requests = 1'024, .retries = 1'024};
  settings.connect_timeout = 15s;
  settings.load_balancing = {.kind = LoadBalancing::Kind::kHash, .table_size = 65'537};
  settings.hash = {{.kind = ir::HashKey::Kind::kHeader, .name = "X-some-header"}};
  settings.outlier_detection = {.interval = 5s, .gateway_errors = 4};
  settings.buffer_limit = 20'971'520;
  settings.proxy_protocol = ir::ProxyProtocol::kV2;
  settings.http2 = {.stream_window = 131'072,
                    .connection_window = 2'097'152,
                    .max_streams = 200,
                    .error_ends_stream = true};
  settings.dns = {.respect_ttl = true};
  settings.tcp_keepalive = {.probes = 7};
  for (const json& proxy : parity("envoyextensionpolicy-with-extproc-with-traffic-features")) {
    json expected = expected_cluster(proxy, cluster.name);
    expected["transportSocketMatches"][1]["name"] = "tls/3";
    expected["transportSocketMatches"][1]["match"]["name"] = "tls/3";
    EXPECT_EQ(rendered(cluster), expected);
  }
}

// ---- what no case has --------------------------------------------------------------------------------

TEST(ClusterSettings, OfNothingMakeAPlainCluster) {
  EXPECT_EQ(rendered(ir::ClusterSettings()), json::object());
}

TEST(ClusterSettings, LimitRetriesToAShareOfTheRequests) {
  EXPECT_EQ(rendered({.circuit_breakers = {{.retry_budget = {{.percent = 12.5, .min = 4}}}}}), json::parse(R"(
    {"circuitBreakers": {"thresholds": [{"maxRetries": 1024, "retryBudget":
        {"budgetPercent": {"value": 12.5}, "minRetryConcurrency": 4}}]}})"));
}

TEST(ClusterSettings, LimitTheConnectionsOfAnEndpoint) {
  EXPECT_EQ(rendered({.circuit_breakers = {{.connections_of_endpoint = 7}}}), json::parse(R"(
    {"circuitBreakers": {"thresholds": [{"maxRetries": 1024}], "perHostThresholds": [{"maxConnections": 7}]}})"));
}

TEST(ClusterSettings, MakeConnectionsBeforeTheyAreNeeded) {
  EXPECT_EQ(rendered({.preconnect = {{.per_endpoint = 150, .predictive = 200}}}), json::parse(R"(
    {"preconnectPolicy": {"perUpstreamPreconnectRatio": 1.5, "predictivePreconnectRatio": 2}})"));
}

TEST(ClusterSettings, SetTheBuffersOfSockets) {
  const json made = rendered({.socket_buffer = 65'536});
  std::vector<std::string> options;
  for (const json& option : made["upstreamBindConfig"]["socketOptions"]) {
    options.push_back(option["name"].get<std::string>() + " " + option["intValue"].get<std::string>());
  }
  EXPECT_EQ(options, (std::vector<std::string>{"8 65536", "7 65536"})) << "SO_RCVBUF, SO_SNDBUF";
}

TEST(ClusterSettings, ProbeConnectionsOfHttp2) {
  ir::Cluster cluster{.name = "web", .protocol = ir::UpstreamProtocol::kHttp2};
  cluster.settings.emplace().http2 = {
      .keepalive = {{.interval = 30s, .timeout = 2500ms, .jitter_percent = 20, .idle_interval = 60s}}};
  EXPECT_EQ(
      rendered(
          cluster)["typedExtensionProtocolOptions"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
                  ["explicitHttpConfig"]["http2ProtocolOptions"]["connectionKeepalive"],
      json::parse(R"({"interval": "30s", "timeout": "2.500s", "intervalJitter": {"value": 20},
                            "connectionIdleInterval": "60s"})"));
}

TEST(ClusterSettings, SayHowTheEndpointsNamesAreLookedUp) {
  ir::Cluster cluster{.name = "web", .discovery = ir::Discovery::kDns};
  cluster.settings.emplace().dns = {
      .refresh = 5s, .respect_ttl = false, .family = ir::Dns::Family::kIpv6Preferred};
  const json made = rendered(cluster);
  EXPECT_FALSE(made.contains("dnsLookupFamily")) << "the first of them";
  EXPECT_EQ(made["clusterType"]["typedConfig"], json::parse(R"(
    {"@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster", "dnsRefreshRate": "5s",
     "dnsLookupFamily": "AUTO"})"));
}

TEST(ClusterSettings, OfAProxyOfIpv6GiveWayToTheUsers) {
  ir::Cluster cluster{.name = "web", .ipv6_preferred = true};
  EXPECT_EQ(rendered(cluster)["dnsLookupFamily"], "ALL");
  cluster.settings.emplace().dns = {.family = ir::Dns::Family::kIpv4};
  EXPECT_EQ(rendered(cluster)["dnsLookupFamily"], "V4_ONLY");
}

TEST(ClusterSettings, AskEndpointsOfNamesForTheirHealthAtAnotherPort) {
  ir::Cluster cluster{.name = "web", .discovery = ir::Discovery::kDns};
  cluster.dns_localities = {{.endpoints = {{.address = "web.example", .port = 80}}}};
  cluster.settings.emplace().health_check = {.question = ir::TcpQuestion{}, .port = 9090};
  EXPECT_EQ(
      rendered(cluster)["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["healthCheckConfig"],
      json({{"portValue", 9090}}));
}

TEST(ClusterSettings, PutTheProxyProtocolAroundTls) {
  ir::Cluster cluster{.name = "web"};
  cluster.tls = ir::UpstreamTls{.sni = "web.example"};
  cluster.settings.emplace().proxy_protocol = ir::ProxyProtocol::kV1;
  const json made = rendered(cluster);
  const auto inner = [](const json& socket) {
    EXPECT_EQ(socket["name"], "envoy.transport_sockets.upstream_proxy_protocol");
    return socket["typedConfig"]["transportSocket"]["name"];
  };
  EXPECT_EQ(inner(made["transportSocketMatches"][0]["transportSocket"]), "envoy.transport_sockets.tls");
  EXPECT_EQ(inner(made["transportSocket"]), "dummy.transport_socket");
}

TEST(ClusterSettings, PutTheProxyProtocolAroundTlsToWhateverARequestNames) {
  ir::Cluster cluster{.name = "any", .discovery = ir::Discovery::kDynamic};
  cluster.settings.emplace().proxy_protocol = ir::ProxyProtocol::kV2;
  const auto inner = [&] {
    return rendered(cluster)["transportSocket"]["typedConfig"]["transportSocket"]["name"];
  };
  EXPECT_EQ(inner(), "envoy.transport_sockets.raw_buffer");
  cluster.tls = ir::UpstreamTls{};
  EXPECT_EQ(inner(), "envoy.transport_sockets.tls");
}

TEST(ClusterSettings, OfAClusterOfNobodyMeanNothing) {
  ir::Cluster cluster{.name = ir::kNowhere, .discovery = ir::Discovery::kNone};
  const json plain = rendered(cluster);
  cluster.settings.emplace().connect_timeout = 1s;
  EXPECT_EQ(rendered(cluster), plain);
}

// It is written in pieces.
TEST(ClusterSettings, AreThereOnce) {
  ir::Cluster cluster{.name = "web", .discovery = ir::Discovery::kDns};
  cluster.tls = ir::UpstreamTls{.sni = "web.example"};
  ir::ClusterSettings& settings = cluster.settings.emplace();
  settings.proxy_protocol = ir::ProxyProtocol::kV1;
  settings.health_check = {.question = ir::GrpcQuestion{}};
  settings.connect_timeout = 1s;
  settings.max_requests_per_connection = 1;
  const std::string bytes = render_cluster(cluster);
  envoy::config::cluster::v3::Cluster parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  EXPECT_EQ(serialize(parsed).size(), bytes.size());
}

}  // namespace
}  // namespace sluice::xds

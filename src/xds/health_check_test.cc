#include "xds/health_check.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using namespace std::chrono_literals;
using ir::HealthCheck;
using nlohmann::json;

json rendered(HealthCheck check) {
  ir::Cluster cluster{.name = "web"};
  cluster.settings.emplace().health_check = std::move(check);
  return as_json(ResourceType::kCluster, render_cluster(cluster))["healthChecks"].at(0);
}

json rendered(const ir::OutlierDetection& detection) {
  ir::Cluster cluster{.name = "web"};
  cluster.settings.emplace().outlier_detection = detection;
  return as_json(ResourceType::kCluster, render_cluster(cluster))["outlierDetection"];
}

// ---- as Envoy Gateway --------------------------------------------------------------------------------

struct Row {
  const char* sentence;
  const char* parity_case;
  const char* cluster;
  HealthCheck check;
};

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.sentence; }

class HealthChecksAsEnvoyGateway : public testing::TestWithParam<Row> {};

TEST_P(HealthChecksAsEnvoyGateway, IsTheCheck) {
  for (const json& expected : expected_clusters(GetParam().parity_case, GetParam().cluster)) {
    EXPECT_EQ(rendered(GetParam().check), expected["healthChecks"].at(0));
  }
}

INSTANTIATE_TEST_SUITE_P(
    OfACase, HealthChecksAsEnvoyGateway,
    testing::Values(
        Row{"Http",
            "backendtrafficpolicy-with-healthcheck-overrides",
            "httproute/default/httproute-with-overrides/rule/0",
            {.question = ir::HttpQuestion{.host = "gateway.envoyproxy.io",
                                          .path = "/healthz",
                                          .method = ir::HttpQuestion::Method::kGet},
             .interval = 5s,
             .port = 9'090}},
        Row{"Grpc",
            "backendtrafficpolicy-with-healthcheck-overrides",
            "grpcroute/default/grpcroute-with-overrides/rule/0",
            {.question = ir::GrpcQuestion{.service = "foo-service"}, .interval = 5s}},
        Row{"GrpcOfAnExtProcService",
            "envoyextensionpolicy-with-extproc-with-hc-log",
            "envoyextensionpolicy/default/policy-for-http-route/extproc/0",
            {.question = ir::GrpcQuestion{.service = "envoy.service.ext_proc.v3.ExternalProcessor"},
             .interval = 5s,
             .timeout = 500ms}},
        Row{"LogOfSome",
            "health-check-log-btp-override",
            "httproute/envoy-gateway/httproute-1/rule/0",
            {.question = ir::HttpQuestion{.host = "www.foo.com", .path = "/healthz"},
             .interval = 5s,
             .log = {{.path = "/var/log/hc.log", .every_success = false}}}},
        Row{"LogOfAll",
            "health-check-log-btp-override",
            "httproute/envoy-gateway/httproute-2/rule/0",
            {.question = ir::HttpQuestion{.host = "www.bar.com", .path = "/healthz"},
             .interval = 5s,
             .log = {{.path = "/dev/stdout"}}}}),
    name_of);

// ---- what no case has --------------------------------------------------------------------------------

TEST(HealthCheck, OfStatusesHasRangesOfNeighbours) {
  const json made = rendered(
      {.question = ir::HttpQuestion{.path = "/", .expected = {200, 201, 202, 204}, .retriable = {429}}});
  EXPECT_EQ(made["httpHealthCheck"]["expectedStatuses"],
            json::parse(R"([{"start": "200", "end": "203"}, {"start": "204", "end": "205"}])"));
  EXPECT_EQ(made["httpHealthCheck"]["retriableStatuses"], json::parse(R"([{"start": "429", "end": "430"}])"));
}

TEST(HealthCheck, SendsABodyAndLooksAtTheAnswer) {
  const json made = rendered(
      {.question = ir::HttpQuestion{
           .path = "/", .method = ir::HttpQuestion::Method::kPost, .body = "ping", .answer = "pong"}});
  EXPECT_EQ(made["httpHealthCheck"]["method"], "POST");
  EXPECT_EQ(made["httpHealthCheck"]["send"], json({{"binary", "cGluZw=="}}));
  EXPECT_EQ(made["httpHealthCheck"]["receive"], json::parse(R"([{"binary": "cG9uZw=="}])"));
}

TEST(HealthCheck, ByTcpMayOnlyConnect) {
  EXPECT_EQ(rendered({.question = ir::TcpQuestion{}})["tcpHealthCheck"], json::object());
}

TEST(HealthCheck, ByTcpSendsAndExpectsBytes) {
  EXPECT_EQ(rendered({.question = ir::TcpQuestion{.send = "ping", .receive = "pong"}})["tcpHealthCheck"],
            json::parse(R"({"send": {"binary": "cGluZw=="}, "receive": [{"binary": "cG9uZw=="}]})"));
}

TEST(HealthCheck, WaitsBeforeTheFirst) {
  EXPECT_EQ(rendered({.question = ir::TcpQuestion{}, .initial_jitter = 1500ms})["initialJitter"], "1.500s");
}

TEST(HealthCheck, ByGrpcNamesWhomItAsks) {
  EXPECT_EQ(rendered({.question = ir::GrpcQuestion{.authority = "web.default:80"}})["grpcHealthCheck"],
            json({{"authority", "web.default:80"}}));
}

TEST(HealthCheck, MayGoOnWithoutRequests) {
  const json made = rendered({.question = ir::TcpQuestion{}, .interval = 2s, .while_idle = true});
  EXPECT_EQ(made["noTrafficInterval"], "2s");
  EXPECT_FALSE(rendered({.question = ir::TcpQuestion{}}).contains("noTrafficInterval"));
}

TEST(OutlierDetection, LeavesOutTheRestOfThePercentages) {
  const json made = rendered(ir::OutlierDetection{});
  EXPECT_FALSE(made.contains("enforcingConsecutiveGatewayFailure"));
  EXPECT_FALSE(made.contains("enforcingFailurePercentage"));
}

TEST(OutlierDetection, GoesByTheShareOfFailures) {
  const json made =
      rendered(ir::OutlierDetection{.always_one = true, .local_apart = true, .failure_percent = 40});
  EXPECT_EQ(made["failurePercentageThreshold"], 40);
  EXPECT_EQ(made["enforcingFailurePercentage"], 100);
  EXPECT_EQ(made["alwaysEjectOneHost"], true);
  EXPECT_EQ(made["splitExternalLocalOriginErrors"], true);
}

}  // namespace
}  // namespace sluice::xds

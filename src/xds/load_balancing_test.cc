#include "xds/load_balancing.h"

#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using namespace std::chrono_literals;
using ir::LoadBalancing;
using nlohmann::json;
using Kind = LoadBalancing::Kind;

json policy_of(const json& cluster) { return cluster["loadBalancingPolicy"]["policies"]; }

json rendered(LoadBalancing balancing, bool prefer_local_zone = false) {
  ir::Cluster cluster{.name = "web", .prefer_local_zone = prefer_local_zone};
  cluster.settings.emplace().load_balancing = std::move(balancing);
  return policy_of(as_json(ResourceType::kCluster, render_cluster(cluster)));
}

// The configuration of the only policy, without its type.
json config(const json& policies) {
  EXPECT_EQ(policies.size(), 1U);
  json made = policies.at(0)["typedExtensionConfig"]["typedConfig"];
  made.erase("@type");
  return made;
}

// ---- as Envoy Gateway --------------------------------------------------------------------------------

struct Row {
  const char* sentence;
  const char* parity_case;
  const char* cluster;
  LoadBalancing balancing;
};

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.sentence; }

class BalancingAsEnvoyGateway : public testing::TestWithParam<Row> {};

TEST_P(BalancingAsEnvoyGateway, IsThePolicy) {
  for (const json& expected : expected_clusters(GetParam().parity_case, GetParam().cluster)) {
    EXPECT_EQ(rendered(GetParam().balancing), policy_of(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(
    OfACase, BalancingAsEnvoyGateway,
    testing::Values(Row{"Random",
                        "backendtrafficpolicy-with-loadbalancer",
                        "grpcroute/default/grpcroute-1/rule/0",
                        {.kind = Kind::kRandom}},
                    Row{"HashWithATableSize",
                        "backendtrafficpolicy-with-loadbalancer",
                        "httproute/default/httproute-1/rule/0",
                        {.kind = Kind::kHash, .table_size = 524'287}},
                    Row{"LeastRequestWithSlowStart",
                        "backendtrafficpolicy-with-loadbalancer",
                        "httproute/default/httproute-2/rule/0",
                        {.kind = Kind::kLeastRequest, .slow_start = 300s}},
                    Row{"Utilization",
                        "backendtrafficpolicy-with-loadbalancer",
                        "httproute/default/httproute-5/rule/0",
                        {.kind = Kind::kUtilization,
                         .slow_start = 300s,
                         .utilization = ir::Utilization{.blackout = 10s,
                                                        .weight_expiration = 60s,
                                                        .weight_update = 10s,
                                                        .error_penalty_percent = 100,
                                                        .metrics = {"cpu_utilization"}}}},
                    Row{"UtilizationFromAnotherPort",
                        "backendtrafficpolicy-with-backend-utilization-out-of-band",
                        "httproute/default/httproute-1/rule/0",
                        {.kind = Kind::kUtilization,
                         .utilization = ir::Utilization{.blackout = 10s,
                                                        .out_of_band = {{.period = 5s,
                                                                         .authority = "orca.example.com",
                                                                         .port = 9'001}}}}},
                    Row{"UtilizationFromTheSamePort",
                        "backendtrafficpolicy-with-backend-utilization-out-of-band",
                        "httproute/default/httproute-2/rule/0",
                        {.kind = Kind::kUtilization,
                         .utilization = ir::Utilization{.out_of_band = ir::Utilization::OutOfBand{}}}},
                    Row{"WeightedZones",
                        "backendtrafficpolicy-with-weighted-zones",
                        "httproute/default/httproute-1/rule/0/backend/0",
                        {.kind = Kind::kRoundRobin,
                         .zone_weights = {{"us-east-1a", 70}, {"us-east-1b", 20}}}},
                    Row{"UtilizationWithWeightedZones",
                        "backendtrafficpolicy-with-backend-utilization-weighted-zones",
                        "httproute/default/httproute-1/rule/0/backend/0",
                        {.kind = Kind::kUtilization,
                         .utilization = ir::Utilization{.blackout = 10s, .weight_expiration = 60s},
                         .zone_weights = {{"us-east-1a", 70}}}},
                    Row{"AnEndpointThatTheRequestNames",
                        "backendtrafficpolicy-with-endpointoverride-loadbalancer",
                        "httproute/default/httproute-1/rule/0",
                        {.kind = Kind::kRoundRobin, .override_headers = {"x-custom-host"}}},
                    Row{"AnEndpointThatTheRequestNamesOrUtilizationWithWeightedZones",
                        "backendtrafficpolicy-with-endpointoverride-backend-utilization-weighted-zones",
                        "httproute/default/httproute-1/rule/0/backend/0",
                        {.kind = Kind::kUtilization,
                         .utilization = ir::Utilization{.blackout = 10s, .weight_expiration = 60s},
                         .override_headers = {"x-fallback-host"},
                         .zone_weights = {{"us-east-1a", 70}}}}),
    name_of);

// ---- what no case has --------------------------------------------------------------------------------

TEST(LoadBalancing, CanPreferTheOwnZone) {
  EXPECT_EQ(
      config(rendered({.kind = Kind::kRoundRobin,
                       .slow_start = 5s,
                       .prefer_local = {{.min_endpoints = 3, .percent = 50, .min_in_zone = 2}}})),
      json::parse(R"({"slowStartConfig": {"slowStartWindow": "5s"}, "localityLbConfig": {"zoneAwareLbConfig":
                {"minClusterSize": "3", "routingEnabled": {"value": 50}, "forceLocalZone": {"minSize": 2}}}})"));
}

TEST(LoadBalancing, GoesWhereAPickerSaidAndTellsWhereItWent) {
  json made = config(rendered({.kind = Kind::kRoundRobin, .picked = true}));
  EXPECT_EQ(made["fallbackPolicy"]["policies"][0]["typedExtensionConfig"]["name"],
            "envoy.load_balancing_policies.round_robin");
  made.erase("fallbackPolicy");
  EXPECT_EQ(made, json::parse(R"({
      "overrideHostSources": [{"metadata": {"key": "envoy.lb", "path": [{"key": "x-gateway-destination-endpoint"}]}}],
      "selectedHostKey": {"key": "envoy.lb", "path": [{"key": "x-gateway-destination-endpoint-served"}]}})"));
}

TEST(LoadBalancing, PrefersTheOwnZoneWhereTheServiceDoes) {
  EXPECT_EQ(config(rendered({.kind = Kind::kRandom}, true)),
            json::parse(R"({"localityLbConfig": {"zoneAwareLbConfig": {"minClusterSize": "1"}}})"));
}

TEST(LoadBalancing, WeighsZonesWhateverTheServicePrefers) {
  EXPECT_EQ(config(rendered({.kind = Kind::kRandom, .zone_weights = {{"a", 2}}}, true)),
            json::parse(R"({"localityLbConfig": {"localityWeightedLbConfig": {}}})"));
}

TEST(LoadBalancing, WeighsZonesBeforeItHashes) {
  EXPECT_EQ(config(rendered({.kind = Kind::kHash, .table_size = 7, .zone_weights = {{"a", 2}}})),
            json::parse(R"({"tableSize": "7", "localityWeightedLbConfig": {}})"));
}

TEST(LoadBalancing, WarmsEndpointsUpBesidesThoseThatRequestsName) {
  const json made = config(rendered({.slow_start = 5s, .override_headers = {"x-endpoint"}}));
  EXPECT_EQ(config(made["fallbackPolicy"]["policies"]),
            json::parse(R"({"slowStartConfig": {"slowStartWindow": "5s"}})"));
}

TEST(LoadBalancing, IsLeftToAModule) {
  const json made = config(rendered({.kind = Kind::kModule,
                                     .module = ir::BalancingModule{.name = "mine",
                                                                   .path = "/opt/mine.so",
                                                                   .policy = "nearest",
                                                                   .config = R"({"a":1})",
                                                                   .do_not_close = true}}));
  EXPECT_EQ(made, json::parse(R"({
    "dynamicModuleConfig": {"name": "mine", "doNotClose": true, "module": {"local": {"filename": "/opt/mine.so"}}},
    "lbPolicyName": "nearest",
    "lbPolicyConfig": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "{\"a\":1}"}})"));
}

// ---- what is hashed ----------------------------------------------------------------------------------

json hashed(std::vector<ir::HashKey> keys) {
  ir::Cluster cluster{.name = "web"};
  cluster.settings.emplace().hash = std::move(keys);
  const json made = as_json(ResourceType::kCluster, render_cluster(cluster));
  return made["typedExtensionProtocolOptions"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
             ["hashPolicy"];
}

TEST(Hash, OfTheClientsAddress) {
  EXPECT_EQ(hashed({{.kind = ir::HashKey::Kind::kSourceAddress}}),
            json::parse(R"([{"connectionProperties": {"sourceIp": true}}])"));
}

TEST(Hash, OfHeadersAndParameters) {
  EXPECT_EQ(hashed({{.kind = ir::HashKey::Kind::kHeader, .name = "x-user"},
                    {.kind = ir::HashKey::Kind::kQueryParameter, .name = "user"}}),
            json::parse(R"([{"header": {"headerName": "x-user"}}, {"queryParameter": {"name": "user"}}])"));
}

TEST(Hash, OfACookieThatIsMadeWhereItIsMissing) {
  EXPECT_EQ(hashed({{.kind = ir::HashKey::Kind::kCookie,
                     .name = "user",
                     .ttl = 60s,
                     .attributes = {{"SameSite", "Strict"}}}}),
            json::parse(R"([{"cookie": {"name": "user", "ttl": "60s",
                                        "attributes": [{"name": "SameSite", "value": "Strict"}]}}])"));
}

}  // namespace
}  // namespace sluice::xds

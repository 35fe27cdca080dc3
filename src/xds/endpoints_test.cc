#include "xds/endpoints.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "envoy/config/endpoint/v3/endpoint.pb.h"

#include "xds/render.h"
#include "xds/testing.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

TEST(Endpoints, Text) {
  const std::vector<ir::Locality> localities{
      {.zone = "a", .weight = 2, .endpoints = {{.address = "10.0.0.1", .port = 80}}},
      {.priority = 1, .endpoints = {{.unix_path = "/run/web", .hostname = "web"}}}};
  EXPECT_EQ(as_json(ResourceType::kEndpoints, render_endpoints("web", localities, true)),
            nlohmann::json::parse(R"({
    "clusterName": "web",
    "endpoints": [
      {
        "locality": {"zone": "a"},
        "loadBalancingWeight": 2,
        "lbEndpoints": [
          {
            "endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": 80}}},
            "loadBalancingWeight": 1,
            "metadata": {"filterMetadata": {"envoy.transport_socket_match": {"name": "tls"}}}
          }
        ]
      },
      {
        "locality": {},
        "loadBalancingWeight": 1,
        "priority": 1,
        "lbEndpoints": [
          {
            "endpoint": {"address": {"pipe": {"path": "/run/web"}}, "hostname": "web"},
            "loadBalancingWeight": 1,
            "metadata": {"filterMetadata": {"envoy.transport_socket_match": {"name": "tls"}}}
          }
        ]
      }
    ]
  })"));
}

// Answered even when empty: then it is a name.
TEST(Endpoints, Empty) {
  EXPECT_EQ(to_json(ResourceType::kEndpoints, render_endpoints("web", {}, false)), R"({
  "clusterName": "web"
}
)");
}

TEST(Endpoints, BackendsOfOneCluster) {
  const std::vector<ir::Locality> localities{
      {.region = "a", .endpoints = {{.address = "10.0.0.1", .port = 80}}},
      {.region = "b", .priority = 1, .tls = "b", .endpoints = {{.address = "10.0.0.2", .port = 443}}}};
  const json made = json::parse(to_json(ResourceType::kEndpoints, render_endpoints("c", localities, false)));
  EXPECT_EQ(made["endpoints"][0]["locality"]["region"], "a");
  EXPECT_FALSE(made["endpoints"][0]["lbEndpoints"][0].contains("metadata"));
  EXPECT_EQ(made["endpoints"][1]["priority"], 1);
  EXPECT_EQ(
      made["endpoints"][1]["lbEndpoints"][0]["metadata"]["filterMetadata"]["envoy.transport_socket_match"],
      json({{"name", "b"}}));
}

TEST(Endpoints, AreAskedForTheirHealthAtAnotherPort) {
  const std::vector<ir::Locality> localities{{.endpoints = {{.address = "10.0.0.1", .port = 80}}}};
  const json made = as_json(ResourceType::kEndpoints, render_endpoints("c", localities, false, 9090));
  EXPECT_EQ(made["endpoints"][0]["lbEndpoints"][0]["endpoint"],
            json::parse(R"({"address": {"socketAddress": {"address": "10.0.0.1", "portValue": 80}},
                            "healthCheckConfig": {"portValue": 9090}})"));
}

TEST(Endpoints, OfWeightZeroGetNoRequests) {
  const std::vector<ir::Locality> localities{
      {.weight = 0, .endpoints = {{.address = "10.0.0.1", .port = 80}}}};
  const json made = as_json(ResourceType::kEndpoints, render_endpoints("c", localities, false));
  EXPECT_FALSE(made["endpoints"][0].contains("loadBalancingWeight"));
}

// By the classes alone; lengths on both sides of one byte, on every level.
TEST(Endpoints, AreWhatTheClassesMake) {
  namespace endpoint = envoy::config::endpoint::v3;
  for (const std::size_t length : {1U, 60U, 100U, 120U, 127U, 128U, 300U}) {
    const std::string text(length, 'x');
    const std::vector<ir::Locality> localities{
        {.region = text,
         .zone = "z",
         .priority = 300,
         .weight = 0,
         .endpoints = {{.address = text, .port = 0}, {.address = "b", .port = 443, .hostname = text}}},
        {.weight = 128, .tls = text, .endpoints = {{.unix_path = text}}}};
    endpoint::ClusterLoadAssignment expected;
    expected.set_cluster_name(text);
    auto* first = expected.add_endpoints();
    first->mutable_locality()->set_region(text);
    first->mutable_locality()->set_zone("z");
    first->set_priority(300);
    auto* second = expected.add_endpoints();
    second->mutable_locality();
    second->mutable_load_balancing_weight()->set_value(128);
    const auto add = [](auto* group, const std::string& asks_for) {
      endpoint::LbEndpoint* member = group->add_lb_endpoints();
      member->mutable_load_balancing_weight()->set_value(1);
      auto& metadata = *member->mutable_metadata()->mutable_filter_metadata();
      (*metadata["envoy.transport_socket_match"].mutable_fields())["name"].set_string_value(asks_for);
      return member->mutable_endpoint();
    };
    auto* socket = add(first, "tls")->mutable_address()->mutable_socket_address();
    socket->set_address(text);
    socket->set_port_value(0);
    endpoint::Endpoint* named = add(first, "tls");
    named->set_hostname(text);
    named->mutable_address()->mutable_socket_address()->set_address("b");
    named->mutable_address()->mutable_socket_address()->set_port_value(443);
    add(second, text)->mutable_address()->mutable_pipe()->set_path(text);
    EXPECT_EQ(render_endpoints(text, localities, true), serialize(expected)) << length;
  }
}

}  // namespace
}  // namespace sluice::xds

#include "xds/endpoints.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

TEST(Endpoints, Text) {
  const ir::Endpoints endpoints{
      .cluster = "web",
      .localities = {{.zone = "a", .weight = 2, .endpoints = {{.address = "10.0.0.1", .port = 80}}},
                     {.priority = 1, .endpoints = {{.unix_path = "/run/web", .hostname = "web"}}}},
      .tls = true};
  EXPECT_EQ(as_json(ResourceType::kEndpoints, render_endpoints(endpoints)), nlohmann::json::parse(R"({
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
  EXPECT_EQ(to_json(ResourceType::kEndpoints, render_endpoints({.cluster = "web"})), R"({
  "clusterName": "web"
}
)");
}

TEST(Endpoints, BackendsOfOneCluster) {
  const json made = json::parse(to_json(
      ResourceType::kEndpoints,
      render_endpoints({.cluster = "c",
                        .localities = {{.region = "a", .endpoints = {{.address = "10.0.0.1", .port = 80}}},
                                       {.region = "b",
                                        .priority = 1,
                                        .tls = "b",
                                        .endpoints = {{.address = "10.0.0.2", .port = 443}}}}})));
  EXPECT_EQ(made["endpoints"][0]["locality"]["region"], "a");
  EXPECT_FALSE(made["endpoints"][0]["lbEndpoints"][0].contains("metadata"));
  EXPECT_EQ(made["endpoints"][1]["priority"], 1);
  EXPECT_EQ(
      made["endpoints"][1]["lbEndpoints"][0]["metadata"]["filterMetadata"]["envoy.transport_socket_match"],
      json({{"name", "b"}}));
}

}  // namespace
}  // namespace sluice::xds

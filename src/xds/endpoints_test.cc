#include "xds/endpoints.h"

#include <gtest/gtest.h>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

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

}  // namespace
}  // namespace sluice::xds

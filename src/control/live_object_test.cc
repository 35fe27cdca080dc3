#include "control/live_object.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

using nlohmann::json;

const GroupKind kService("", "Service");
const GroupKind kDeployment("apps", "Deployment");

json parsed(const std::string& text) { return json::parse(text); }

TEST(LiveObject, AServiceTellsByWhatItIsReached) {
  const auto live = read_live_object(kService, parsed(R"({
    "metadata": {"uid": "u", "resourceVersion": "7"},
    "spec": {"type": "LoadBalancer", "clusterIPs": ["None", "10.96.0.7"], "externalIPs": ["192.0.2.1"],
             "ipFamilies": ["IPv4"]},
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"hostname": "lb.example"}, {}]}}})"));
  ASSERT_TRUE(live.service);
  EXPECT_EQ(live.service->type, "LoadBalancer");
  EXPECT_EQ(live.service->cluster_ips, std::vector<std::string>{"10.96.0.7"});
  EXPECT_EQ(live.service->external_ips, std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(live.service->ingress, (std::vector<std::string>{"192.0.2.9", "lb.example"}));
  EXPECT_TRUE(live.service->ipv4);
  EXPECT_FALSE(live.service->ipv6);
}

TEST(LiveObject, OfADeploymentItCountsWhichPodsServe) {
  const auto live =
      read_live_object(kDeployment, parsed(R"({"status": {"availableReplicas": 2, "replicas": 3}})"));
  EXPECT_EQ(live.available, 2);
}

TEST(LiveObject, ReplicasAreOursWhereWeHaveAppliedThem) {
  json document = parsed(R"({"spec": {"replicas": 3}, "metadata": {"managedFields": [
    {"manager": "sluice", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}})");
  EXPECT_EQ(read_live_object(kDeployment, document).scaled_by_us, 3);
  document["metadata"]["managedFields"][0]["manager"] = "kubectl";
  EXPECT_EQ(read_live_object(kDeployment, document).scaled_by_us, std::nullopt);
}

TEST(LiveObject, WhateverShapeAnObjectHasItIsRead) {
  for (const char* const text : {"{}", "[]", R"({"metadata": 1, "spec": [], "status": "x"})",
                                 R"({"status": {"loadBalancer": {"ingress": {"ip": "a"}}}})"}) {
    EXPECT_EQ(read_live_object(kService, parsed(text)).uid, "") << text;
  }
}

TEST(LiveObject, ItsOwnerIsToldByTheLabelsOfItsGatewayOrClass) {
  const json a = {{"gateway.envoyproxy.io/owning-gateway-name", "web"},
                  {"gateway.envoyproxy.io/owning-gateway-namespace", "default"},
                  {"other", "x"}};
  json b = a;
  b["other"] = "y";
  EXPECT_EQ(owner_of(a), owner_of(b));
  b["gateway.envoyproxy.io/owning-gateway-namespace"] = "prod";
  EXPECT_NE(owner_of(a), owner_of(b));
  EXPECT_EQ(owner_of({{"other", "x"}}), "");
}

struct PartCase {
  const char* live;
  const char* document;
  const char* part;
};

TEST(LiveObject, ItsPartIsWhatTheDocumentHasToo) {
  const PartCase cases[] = {
      {R"({"a": 1, "b": 2})", R"({"a": 5})", R"({"a": 1})"},
      {R"({"a": 1})", R"({"a": 1, "b": 2})", R"({"a": 1})"},
      {R"({"l": [{"name": "y", "d": 1}, {"name": "x", "v": 1, "d": 2}]})",
       R"({"l": [{"name": "x", "v": 0}]})", R"({"l": [{"name": "x", "v": 1}]})"},
      {R"({"l": [{"name": "x", "m": 1}, {"name": "x", "m": 2, "d": 3}]})",
       R"({"l": [{"name": "x", "m": 1}, {"name": "x", "m": 2}]})",
       R"({"l": [{"name": "x", "m": 1}, {"name": "x", "m": 2, "d": 3}]})"},
      {R"({"l": [1, 2, 3]})", R"({"l": [1]})", R"({"l": [1, 2, 3]})"},
      {R"({"a": "text"})", R"({"a": {"b": 1}})", R"({"a": "text"})"},
  };
  for (const PartCase& c : cases)
    EXPECT_EQ(part_of(parsed(c.live), parsed(c.document)), parsed(c.part)) << c.live;
}

struct HasCase {
  const char* what;
  const char* live;    // without managedFields
  const char* fields;  // of ours
  bool has;
};

TEST(LiveObject, ItHasAllWhereApplyingWouldChangeNothing) {
  const json document = parsed(R"({"spec": {"ports": [{"port": 80, "name": "http"}], "set": ["a"]}})");
  const HasCase cases[] = {
      {"all of it", R"({"spec": {"ports": [{"port": 80, "name": "http", "protocol": "TCP"}], "set": ["a"]}})",
       R"({"f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:port": {}}}, "f:set": {"v:\"a\"": {}}}})",
       true},
      {"a value differs", R"({"spec": {"ports": [{"port": 81, "name": "http"}], "set": ["a"]}})",
       R"({"f:spec": {}})", false},
      {"a member is ours that the document lacks",
       R"({"spec": {"ports": [{"port": 80, "name": "http"}], "set": ["a"], "x": 1}})",
       R"({"f:spec": {"f:x": {}}})", false},
      {"an item is ours that the document lacks",
       R"({"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 90, "name": "old"}], "set": ["a"]}})",
       R"({"f:spec": {"f:ports": {"k:{\"port\":90,\"protocol\":\"TCP\"}": {}}}})", false},
      {"a value of a set is ours that the document lacks",
       R"({"spec": {"ports": [{"port": 80, "name": "http"}], "set": ["a"]}})",
       R"({"f:spec": {"f:set": {"v:\"b\"": {}}}})", false},
  };
  for (const HasCase& c : cases) {
    json live = parsed(c.live);
    live["metadata"]["managedFields"] = {
        {{"manager", "sluice"}, {"operation", "Apply"}, {"fieldsV1", parsed(c.fields)}}};
    EXPECT_EQ(has_all(live, document), c.has) << c.what;
    live["metadata"]["managedFields"][0]["manager"] = "other";
    EXPECT_FALSE(has_all(live, document)) << c.what << ", of somebody else";
  }
}

TEST(LiveObject, NodesAreReachedByTheirExternalAddressesWhereAnyHasOne) {
  const json inside = parsed(R"({"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"},
    {"type": "Hostname", "address": "node"}, {"type": "InternalIP", "address": "fd00::1"}]}})");
  const json outside =
      parsed(R"({"status": {"addresses": [{"type": "ExternalIP", "address": "192.0.2.1"}]}})");
  EXPECT_EQ(addresses_of_nodes({inside}), (translate::NodeAddresses{{"10.0.0.1"}, {"fd00::1"}}));
  EXPECT_EQ(addresses_of_nodes({inside, outside}), (translate::NodeAddresses{{"192.0.2.1"}, {}}));
}

}  // namespace
}  // namespace sluice::control

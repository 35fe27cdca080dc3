#include "translate/backend.h"

#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

api::EndpointSlice slice(std::vector<api::SliceEndpoint> endpoints, std::string port = "http",
                         std::int32_t number = 80) {
  api::EndpointSlice s;
  s.address_type = "IPv4";
  s.endpoints = std::move(endpoints);
  s.ports = {{.name = std::move(port), .port = number}};
  return s;
}

api::SliceEndpoint endpoint(std::string address, api::EndpointConditions conditions = {},
                            std::string zone = "") {
  api::SliceEndpoint e;
  e.addresses = {std::move(address)};
  e.conditions = conditions;
  e.zone = std::move(zone);
  return e;
}

std::vector<std::string> addresses(const ServiceEndpoints& endpoints, const std::string& port) {
  std::vector<std::string> out;
  const auto at = endpoints.by_port.find(port);
  if (at == endpoints.by_port.end()) return out;
  for (const ir::Locality& locality : at->second) {
    for (const ir::Endpoint& e : locality.endpoints) out.push_back(locality.zone + e.address);
  }
  return out;
}

using Addresses = std::vector<std::string>;

TEST(JoinSlices, TakesReadyEndpointsOfAllSlicesOnceAndSorted) {
  const auto a = slice({endpoint("10.0.0.2"), endpoint("10.0.0.1", {.ready = true})});
  const auto b = slice({endpoint("10.0.0.1"), endpoint("10.0.0.9", {.ready = false})});
  EXPECT_EQ(addresses(join_slices({&a, &b}, false, false), "http"), (Addresses{"10.0.0.1", "10.0.0.2"}));
}

TEST(JoinSlices, TakesTerminatingEndpointsThatServeOnlyWhereNoneIsReady) {
  const api::EndpointConditions draining{.ready = false, .serving = true, .terminating = true};
  const auto alone = slice({endpoint("10.0.0.1", draining)});
  EXPECT_EQ(addresses(join_slices({&alone}, false, false), "http"), Addresses{"10.0.0.1"});
  const auto beside = slice({endpoint("10.0.0.1", draining), endpoint("10.0.0.2")});
  EXPECT_EQ(addresses(join_slices({&beside}, false, false), "http"), Addresses{"10.0.0.2"});
}

TEST(JoinSlices, TakesAllThatThereAreWhenTheServicePublishesNotReadyOnes) {
  const auto s = slice({endpoint("10.0.0.1", {.ready = false}), endpoint("10.0.0.2")});
  EXPECT_EQ(addresses(join_slices({&s}, false, true), "http"), (Addresses{"10.0.0.1", "10.0.0.2"}));
}

TEST(JoinSlices, KeepsPortsApartByName) {
  const auto a = slice({endpoint("10.0.0.1")}, "http", 80);
  const auto b = slice({endpoint("10.0.0.1")}, "admin", 90);
  const auto joined = join_slices({&a, &b}, false, false);
  EXPECT_EQ(joined.by_port.at("http").front().endpoints.front().port, 80);
  EXPECT_EQ(joined.by_port.at("admin").front().endpoints.front().port, 90);
}

TEST(JoinSlices, MakesZonesOnlyForServicesThatPreferThem) {
  const auto s = slice({endpoint("10.0.0.1", {}, "b"), endpoint("10.0.0.2", {}, "a")});
  EXPECT_EQ(addresses(join_slices({&s}, false, false), "http"), (Addresses{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(addresses(join_slices({&s}, true, false), "http"), (Addresses{"a10.0.0.2", "b10.0.0.1"}));
}

TEST(JoinSlices, RemembersZonesForClustersThatAskForThem) {
  const auto s =
      slice({endpoint("10.0.0.1", {}, "b"), endpoint("10.0.0.2", {}, "a"), endpoint("10.0.0.3", {}, "b")});
  EXPECT_EQ(join_slices({&s}, false, false).zones.at("http"),
            (ServiceEndpoints::Zones{.names = {"a", "b"}, .of = {1, 0, 1}}));
  EXPECT_TRUE(join_slices({&s}, true, false).zones.empty()) << "its localities are zones";
}

TEST(JoinSlices, RemembersNoZonesWhereThereAreNone) {
  const auto s = slice({endpoint("10.0.0.1"), endpoint("10.0.0.2")});
  EXPECT_TRUE(join_slices({&s}, false, false).zones.empty());
}

TEST(JoinSlices, AServiceNobodyAnswersForHasNoPort) {
  const auto s = slice({endpoint("10.0.0.1", {.ready = false})});
  EXPECT_TRUE(join_slices({&s}, false, false).by_port.empty());
}

}  // namespace
}  // namespace sluice::translate

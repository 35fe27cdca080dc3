#include "infra/names.h"

#include <string>

#include <gtest/gtest.h>

#include "infra/testing.h"

namespace sluice::infra {
namespace {

Identity identity(Request request, Mode mode = Mode::kControllerNamespace) {
  Settings settings;
  settings.mode = mode;
  return identity_of(request, settings);
}

Request of_gateway(const std::string& name) {
  Request request = plain_request();
  request.proxy.key = "default/" + name;
  request.gateways[0].name.name = name;
  return request;
}

// Envoy Gateway's, from its own expectations.
TEST(Names, HaveEnvoyGatewaysHash) {
  EXPECT_EQ(hashed_name("default"), "envoy-default-37a8eec1");
  EXPECT_EQ(hashed_name("namespace-1/gateway-1"), "envoy-namespace-1-gateway-1-e2117e41");
}

TEST(Names, OfLongKeysFitIntoADnsLabel) {
  const std::string name = hashed_name("default/" + std::string(100, 'x'));
  EXPECT_EQ(name.size(), 63U);
  EXPECT_TRUE(name.starts_with("envoy-default-" + std::string(40, 'x') + '-')) << name;
}

TEST(Names, AreCutBetweenWords) {
  EXPECT_TRUE(hashed_name("default/" + std::string(39, 'x') + "-web")
                  .starts_with("envoy-default-" + std::string(39, 'x') + '-'));
  EXPECT_EQ(hashed_name("default/" + std::string(39, 'x') + "-web").find("--"), std::string::npos);
}

TEST(Names, OfAServiceHaveNoDots) {
  const Identity found = identity(of_gateway("web.example.com"));
  EXPECT_EQ(found.name, hashed_name("default/web.example.com"));
  EXPECT_TRUE(found.service_name.starts_with("envoy-default-web-example-com-")) << found.service_name;
}

TEST(Names, BesideTheGatewayAreItsOwn) {
  const Identity found = identity(of_gateway("web"), Mode::kGatewayNamespace);
  EXPECT_EQ(found.namespace_, "default");
  EXPECT_EQ(found.name, "web");
  EXPECT_EQ(found.service_name, "web");
}

TEST(Names, OfAServiceBeginWithALetter) {
  EXPECT_TRUE(
      identity(of_gateway("1st"), Mode::kGatewayNamespace).service_name.starts_with("envoy-default-1st-"));
}

TEST(Labels, OfLongNamesFit) {
  const std::string name(200, 'x');
  const std::string value =
      identity(of_gateway(name)).selector.at("gateway.envoyproxy.io/owning-gateway-name");
  EXPECT_EQ(value.size(), 63U);
  EXPECT_NE(value, identity(of_gateway(name + 'x')).selector.at("gateway.envoyproxy.io/owning-gateway-name"));
}

TEST(Labels, OfUsersDoNotChangeWhoseAnObjectIs) {
  Request request = of_gateway("web");
  request.proxy.labels = {{"app.kubernetes.io/name", "mine"}, {"team", "edge"}};
  const Identity found = identity(request);
  EXPECT_EQ(found.labels.at("app.kubernetes.io/name"), "envoy");
  EXPECT_EQ(found.labels.at("team"), "edge");
  EXPECT_FALSE(found.selector.contains("team")) << "who changes it would have new pods only";
}

TEST(Owners, AreThereWhereTheirUidIsKnown) {
  EXPECT_TRUE(identity(of_gateway("web")).owners.empty());
  Request request = of_gateway("web");
  request.class_uid = "u";
  EXPECT_EQ(identity(request).owners[0]["kind"], "GatewayClass");
  request.gateways[0].uid = "g";
  EXPECT_EQ(identity(request, Mode::kGatewayNamespace).owners[0]["uid"], "g");
}

}  // namespace
}  // namespace sluice::infra

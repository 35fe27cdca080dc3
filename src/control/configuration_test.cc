#include "control/configuration.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr char kHead[] = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyGateway\n";

Configuration configuration_of(const std::string& text) {
  ReadConfiguration read = read_configuration(kHead + text, "c.yaml");
  EXPECT_TRUE(read.configuration) << text << ": " << read.problems.front().message;
  return read.configuration.value_or(Configuration());
}

translate::Settings settings_of(const std::string& text) {
  translate::Settings settings;
  configuration_of(text).apply_to(settings);
  return settings;
}

ClusterProvider provider_of(const std::string& text) {
  ClusterProvider provider;
  configuration_of("provider:\n  type: Kubernetes\n  kubernetes:\n" + text).apply_to(provider);
  return provider;
}

// "warning support/no-effect spec.x", one each.
std::vector<std::string> problems_of(const std::string& text) {
  std::vector<std::string> all;
  for (const Problem& problem : read_configuration(text, "c.yaml").problems) {
    all.push_back((problem.severity == Severity::kError ? "error " : "warning ") + problem.code + " " +
                  problem.path);
  }
  return all;
}

TEST(Configuration, OfNothingIsEnvoyGatewaysDefault) {
  const translate::Settings settings = settings_of("");
  EXPECT_EQ(settings.controller_name, "gateway.envoyproxy.io/gatewayclass-controller");
  EXPECT_FALSE(settings.backend_enabled);
  EXPECT_FALSE(settings.patch_policies_enabled);
  EXPECT_TRUE(settings.lua_enabled);
}

TEST(Configuration, HasTheControllersName) {
  EXPECT_EQ(settings_of("gateway: {controllerName: example.com/mine}\n").controller_name, "example.com/mine");
}

TEST(Configuration, SwitchesKinds) {
  const translate::Settings settings =
      settings_of("extensionApis: {enableBackend: true, enableEnvoyPatchPolicy: true, disableLua: true}\n");
  EXPECT_TRUE(settings.backend_enabled);
  EXPECT_TRUE(settings.patch_policies_enabled);
  EXPECT_FALSE(settings.lua_enabled);
}

TEST(Configuration, NamesNamespacesBesidesOurOwn) {
  EXPECT_THAT(provider_of("    watch: {type: Namespaces, namespaces: [a, b]}\n").namespaces,
              ElementsAre("a", "b", "default"));
  EXPECT_TRUE(provider_of("    watch: {}\n").namespaces.empty());
}

TEST(Configuration, SelectsNamespaces) {
  EXPECT_EQ(provider_of("    watch:\n"
                        "      type: NamespaceSelector\n"
                        "      namespaceSelector:\n"
                        "        matchLabels: {a: x, b: y}\n"
                        "        matchExpressions:\n"
                        "        - {key: c, operator: In, values: [v, w]}\n"
                        "        - {key: d, operator: NotIn, values: [z]}\n"
                        "        - {key: e, operator: Exists}\n"
                        "        - {key: f, operator: DoesNotExist}\n")
                .namespace_selector,
            "a=x,b=y,c in (v,w),d notin (z),e,!f");
}

TEST(Configuration, SaysHowALeaderIsElected) {
  const ClusterProvider provider =
      provider_of("    leaderElection: {leaseDuration: 30s, renewDeadline: 20s, retryPeriod: 5s}\n");
  EXPECT_TRUE(provider.elects);
  EXPECT_EQ(provider.lease.lease_duration, 30s);
  EXPECT_EQ(provider.lease.renew_deadline, 20s);
  EXPECT_EQ(provider.lease.retry_period, 5s);
  EXPECT_FALSE(provider_of("    leaderElection: {disable: true}\n").elects);
}

TEST(Configuration, SaysHowFastIsWritten) {
  const ClusterProvider provider = provider_of("    client: {rateLimit: {qps: 7, burst: 9}}\n");
  EXPECT_EQ(provider.writes.rate, 7);
  EXPECT_EQ(provider.writes.burst, 9);
}

TEST(Configuration, HasALogLevel) {
  EXPECT_EQ(configuration_of("logging: {level: {default: warn, provider: debug}}\n").log_level,
            Level::kWarning);
  EXPECT_EQ(configuration_of("").log_level, std::nullopt);
}

TEST(Configuration, OfACustomProviderHasFiles) {
  EXPECT_THAT(configuration_of("provider:\n"
                               "  type: Custom\n"
                               "  custom:\n"
                               "    resource: {type: File, file: {paths: [/a, /b]}}\n"
                               "    infrastructure: {type: Host, host: {}}\n")
                  .paths,
              testing::Optional(ElementsAre("/a", "/b")));
}

TEST(Configuration, WhatWeDoNotDoIsAWarning) {
  EXPECT_THAT(problems_of(std::string(kHead) + "rateLimit: {backend: {type: Redis}}\n"),
              ElementsAre("warning support/no-effect rateLimit"));
}

TEST(Configuration, WhatNobodyKnowsIsAWarning) {
  EXPECT_THAT(problems_of(std::string(kHead) + "future: {}\n"),
              ElementsAre("warning schema/unknown-field future"));
}

TEST(Configuration, AWrongValueIsAnErrorInItsPlace) {
  const ReadConfiguration read =
      read_configuration(std::string(kHead) + "provider:\n  type: Nomad\n", "c.yaml");
  EXPECT_FALSE(read.configuration);
  ASSERT_EQ(read.problems.size(), 1U);
  EXPECT_EQ(read.problems[0].path, "provider.type");
  EXPECT_EQ(read.problems[0].where, (Where{"c.yaml", 4, 9}));
}

TEST(Configuration, AnotherKindIsAnError) {
  EXPECT_THAT(problems_of("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\n"),
              ElementsAre("error schema/enum kind"));
}

TEST(Configuration, NamespacesByNameAndBySelectorAreAnError) {
  EXPECT_THAT(problems_of(std::string(kHead) + "provider: {kubernetes: {watch: {namespaces: [a], "
                                               "namespaceSelector: {matchLabels: {a: x}}}}}\n"),
              ElementsAre("error schema/watch provider.kubernetes.watch"));
}

}  // namespace
}  // namespace sluice::control

// What is told of an EnvoyProxy before any Envoy is started.
#include "control/launch_check.h"

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

class Launch : public testing::Test {
 protected:
  // "severity code path: message" of each problem of an EnvoyProxy with this spec.
  static std::string problems(std::string_view spec, const std::vector<std::string>& envoy_args = {}) {
    struct With : YamlPipeline {
      using YamlPipeline::feed_proxy;
      using YamlPipeline::pipeline_;
      void TestBody() override {}
    };
    With with;
    with.feed_proxy(spec);
    with.pipeline_.commit();
    const ObjectKey key{.kind = api::kind_of<api::EnvoyProxy>(), .name = {"default", "proxy"}};
    const auto object = with.pipeline_.object(key).value();
    std::string all;
    const auto checked =
        check_launch(key.name, *std::get<std::shared_ptr<const api::EnvoyProxy>>(object), envoy_args);
    for (const Problem& problem : checked.problems) {
      EXPECT_EQ(problem.object, key);
      all += fmt::format("{} {} {}: {}\n", problem.severity == Severity::kError ? "error" : "warning",
                         problem.code, problem.path, problem.message);
    }
    return all;
  }
};

TEST_F(Launch, OfABootstrapThatAppliesThereIsNothingToSay) {
  EXPECT_EQ(problems(R"(bootstrap: {type: Merge, value: "stats_flush_interval: 7s"})"), "");
}

TEST_F(Launch, AChangeOfTheBootstrapMayBeNone) {
  const auto expect = [](std::string_view bootstrap, std::string_view message) {
    EXPECT_THAT(problems(fmt::format("bootstrap: {{{}}}", bootstrap)),
                testing::StartsWith(fmt::format("error value/bootstrap spec.bootstrap.value: {}", message)));
  };
  expect(R"(type: Merge, value: "nope: 1")", "not a bootstrap of Envoy: ");
  expect(R"(type: Merge, value: "node: {cluster: foo}")", "id and cluster of the node must stay as they are");
  expect("type: JSONPatch, jsonPatches: [{op: remove, path: /nope}]", "JSON patch 1 does not apply: ");
  expect(R"(type: Replace, value: "a: [1")", "line 1 of the bootstrap: ");
}

TEST_F(Launch, WhatArgumentsSayOtherwiseHasNoEffect) {
  EXPECT_EQ(
      problems("concurrency: 2, logging: {level: {default: debug, http: info}}",
               {"--concurrency", "4", "-l", "error", "--component-log-level", "http:trace"}),
      "warning conflict/argument spec.concurrency: Envoys are started with `--concurrency 4`, for "
      "`--envoy-arg` says so: this has no effect\n"
      "warning conflict/argument spec.logging.level.default: Envoys are started with `--log-level error`, "
      "for `--envoy-arg` says so: this has no effect\n"
      "warning conflict/argument spec.logging.level: Envoys are started with `--component-log-level "
      "http:trace`, for `--envoy-arg` says so: this has no effect\n");
  EXPECT_EQ(problems("concurrency: 2, extraArgs: [--concurrency, '3']"),
            "warning conflict/argument spec.concurrency: Envoys are started with `--concurrency 3`, for "
            "`extraArgs` says so: this has no effect\n");
  EXPECT_EQ(problems("extraArgs: [--concurrency=3]", {"--concurrency", "4"}),
            "warning conflict/argument spec.extraArgs: Envoys are started with `--concurrency 4`, for "
            "`--envoy-arg` says so: this has no effect\n");
}

TEST_F(Launch, WhatArgumentsSayTooIsNoConflict) {
  EXPECT_EQ(problems("concurrency: 2", {"--concurrency", "2", "--log-level", "debug"}), "");
}

}  // namespace
}  // namespace sluice::control

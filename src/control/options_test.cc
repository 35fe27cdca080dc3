#include "control/options.h"

#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::control {
namespace {

translate::Settings settings_of(const std::string& text) {
  const ReadOptions read = read_options(text, "o.yaml");
  EXPECT_TRUE(read.problems.empty()) << text << ": " << read.problems.front().message;
  return read.settings.value_or(translate::Settings());
}

TEST(Options, OfNothingAreTheDefaults) {
  for (const char* text : {"", "# nothing\n", "{}\n", "---\n"}) {
    const translate::Settings settings = settings_of(text);
    EXPECT_EQ(settings.controller_name, "gateway.envoyproxy.io/gatewayclass-controller");
    EXPECT_EQ(settings.implied_class, "");
    EXPECT_EQ(settings.class_envoy_proxy, std::nullopt);
    EXPECT_FALSE(settings.merge_gateways);
    EXPECT_FALSE(settings.merge_backends);
    EXPECT_TRUE(settings.backend_enabled);
    EXPECT_TRUE(settings.on_host);
    EXPECT_FALSE(settings.endpoint_routing_disabled);
    EXPECT_TRUE(settings.lua_enabled);
    EXPECT_TRUE(settings.patch_policies_enabled);
  }
}

TEST(Options, EachIsASetting) {
  const std::string sha256(64, 'a');
  const translate::Settings settings = settings_of(
      "gatewayControllerName: example.com/mine\n"
      "gatewayClassName: mine\n"
      "envoyProxyForGatewayClass: system/proxy\n"
      "mergeGateways: true\n"
      "mergeBackends: true\n"
      "backendEnabled: false\n"
      "luaEnvoyExtensionPolicyDisabled: true\n"
      "envoyPatchPolicyEnabled: false\n"
      "runningOnHost: false\n"
      "endpointRoutingDisabled: true\n"
      "wasmModules: {\"https://example.com/a.wasm\": {path: /a.wasm, sha256: " +
      sha256 + "}}\n");
  EXPECT_EQ(settings.controller_name, "example.com/mine");
  EXPECT_EQ(settings.implied_class, "mine");
  EXPECT_EQ(settings.class_envoy_proxy, (NamespacedName{"system", "proxy"}));
  EXPECT_TRUE(settings.merge_gateways);
  EXPECT_TRUE(settings.merge_backends);
  EXPECT_FALSE(settings.backend_enabled);
  EXPECT_FALSE(settings.lua_enabled);
  EXPECT_FALSE(settings.patch_policies_enabled);
  EXPECT_FALSE(settings.on_host);
  EXPECT_TRUE(settings.endpoint_routing_disabled);
  ASSERT_EQ(settings.known_modules.size(), 1U);
  EXPECT_EQ(settings.known_modules.begin()->second,
            (wasm::Ready{.path = "/a.wasm", .sha256 = sha256, .warning = ""}));
}

TEST(Options, MistakesHavePlacesAndSuggestions) {
  struct {
    const char* text;
    const char* problem;
  } const cases[] = {
      {"mergeGateway: true",
       "1:1 schema/unknown-field: unknown field `mergeGateway`; did you mean "
       "`mergeGateways`?"},
      {"enableBackend: true",
       "1:1 schema/unknown-field: unknown field `enableBackend`; did you mean `backendEnabled`?"},
      {"mergeGateways: 'yes'",
       "1:16 schema/wrong-type: expected true or false, found the string `yes`; write `true`"},
      {"mergeGateways: 1", "1:16 schema/wrong-type: expected true or false, found the number `1`; "},
      {"gatewayClassName: [a]", "1:19 schema/wrong-type: expected a string, found a list; "},
      {"\nenvoyProxyForGatewayClass: proxy",
       "2:28 schema/pattern: invalid value `proxy`: expected a namespace and a name, as in `default/web`; "},
      {"wasmModules: {a: {path: /a}}", "1:15 schema/required: missing field `sha256` in `wasmModules.a`; "},
      {"- a", "1:1 syntax/options: options are a YAML map; "},
      {"{}\n---\n{}", "3:1 syntax/options: options are one YAML map, not several documents; "},
      {"a: [", "1:5 syntax/yaml: a `[` that is never closed; close the list with `]`"},
  };
  for (const auto& [text, want] : cases) {
    const ReadOptions read = read_options(text, "o.yaml");
    ASSERT_EQ(read.problems.size(), 1U) << text;
    const Problem& problem = read.problems.front();
    EXPECT_EQ(problem.where.file, "o.yaml");
    EXPECT_EQ(problem.severity, Severity::kError);
    EXPECT_EQ(fmt::format("{}:{} {}: {}; {}", problem.where.line, problem.where.column, problem.code,
                          problem.message, problem.suggestion),
              want);
  }
}

TEST(Options, OfAnUnknownNameLeaveTheOthers) {
  const ReadOptions read = read_options("suite: a\nmergeGateways: true", "o.yaml");
  ASSERT_TRUE(read.settings);
  EXPECT_TRUE(read.settings->merge_gateways);
}

TEST(Options, WhatCannotBeReadIsAProblem) {
  for (const std::string& file : {testing::TempDir(), testing::TempDir() + "no-such-options"}) {
    const ReadOptions read = read_options_file(file);
    EXPECT_FALSE(read.settings);
    ASSERT_EQ(read.problems.size(), 1U);
    EXPECT_EQ(read.problems.front().message, "the file cannot be read");
  }
}

// "| `mergeGateways` | `false` | …".
TEST(Options, AllAreDocumentedWithTheirDefaults) {
  std::ifstream in("docs/commands.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const schema::Field& field : options_type().fields) {
    std::string value;
    if (field.default_value) {
      value = field.default_value->is_string() ? "`" + field.default_value->as_string() + "` "
              : field.default_value->as_bool() ? "`true` "
                                               : "`false` ";
    }
    const std::string row = fmt::format("\n| `{}` | {}| ", field.name, value);
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace sluice::control

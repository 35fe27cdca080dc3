#include "api/envoy_gateway/http_route_filter.h"

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/kinds.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

ReadObject read(std::string_view kind, std::string_view spec) {
  std::vector<Problem> problems;
  const std::string text = fmt::format(
      "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: {}\nmetadata: {{name: a}}\nspec:\n{}", kind, spec);
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << problems[0].message;
  return read_object(documents.at(0).tree, Trust::kCheck);
}

template <typename T>
T bound(const ReadObject& read) {
  for (const Problem& problem : read.problems) {
    if (problem.code != "support/no-effect") ADD_FAILURE() << problem.path << ": " << problem.message;
  }
  return read.bound ? *std::get<std::shared_ptr<const T>>(read.bound->object) : T();
}

TEST(HTTPRouteFilterKind, IsBound) {
  const auto filter = bound<ExtendedRouteFilter>(read("HTTPRouteFilter", R"(
  matches: [{cookies: [{name: c, value: v}, {name: d, type: RegularExpression, value: .*}]}]
  urlRewrite:
    hostname: {type: PathRegex, pathRegex: {pattern: /(.*), substitution: \1.example}}
    path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: /a, substitution: ""}}
    appendXForwardedHost: false
  directResponse:
    statusCode: 404
    contentType: text/plain
    body: {type: ValueRef, valueRef: {group: "", kind: ConfigMap, name: b}}
    header: {set: [{name: X-A, value: two words}]}
  credentialInjection: {credential: {valueRef: {name: s}}, header: X-Key, overwrite: true}
)"));
  EXPECT_EQ(kind_of<ExtendedRouteFilter>().kind(), "HTTPRouteFilter");
  ASSERT_EQ(filter.spec.matches.size(), 1U);
  EXPECT_EQ(filter.spec.matches[0].cookies.at(0).type, StringMatchType::kExact);
  EXPECT_EQ(filter.spec.matches[0].cookies.at(1).type, StringMatchType::kRegularExpression);
  EXPECT_EQ(filter.spec.url_rewrite->hostname->path_regex->substitution, "\\1.example");
  EXPECT_EQ(filter.spec.url_rewrite->path->replace_regex_match->pattern, "/a");
  EXPECT_EQ(filter.spec.url_rewrite->append_x_forwarded_host, false);
  EXPECT_EQ(filter.spec.direct_response->status_code, 404);
  EXPECT_EQ(filter.spec.direct_response->content_type, "text/plain");
  EXPECT_EQ(filter.spec.direct_response->body->value_ref->name, "b");
  EXPECT_EQ(filter.spec.direct_response->header->set.at(0).value, "two words");
  EXPECT_EQ(filter.spec.credential_injection->value_ref.kind, "Secret");
  EXPECT_EQ(filter.spec.credential_injection->value_ref.name, "s");
  EXPECT_EQ(filter.spec.credential_injection->header, "X-Key");
  EXPECT_TRUE(filter.spec.credential_injection->overwrite);
}

TEST(HTTPRouteFilterKind, RefusesAnEmptyMatch) {
  const ReadObject filter = read("HTTPRouteFilter", "  matches: [{}]\n");
  ASSERT_EQ(filter.problems.size(), 1U);
  EXPECT_EQ(filter.problems[0].code, "schema/empty-match");
  EXPECT_EQ(filter.problems[0].path, "spec.matches[0]");
}

TEST(EnvoyPatchPolicy, IsBound) {
  const auto policy = bound<EnvoyPatchPolicy>(read("EnvoyPatchPolicy", R"(
  type: JSONPatch
  priority: -1
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  jsonPatches:
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: c
    operation: {op: add, jsonPath: $.a, path: b, value: {x: [1]}}
  - {type: type.googleapis.com/envoy.config.listener.v3.Listener, name: l, operation: {op: move, from: /a, path: /b}}
)"));
  EXPECT_EQ(policy.spec.priority, -1);
  EXPECT_EQ(policy.spec.target_ref.name, "gw");
  ASSERT_EQ(policy.spec.json_patches.size(), 2U);
  EXPECT_EQ(policy.spec.json_patches[0].type, EnvoyResourceType::kCluster);
  EXPECT_EQ(policy.spec.json_patches[0].operation.op, JSONPatchOperationType::kAdd);
  EXPECT_EQ(policy.spec.json_patches[0].operation.json_path, "$.a");
  EXPECT_EQ(policy.spec.json_patches[0].operation.value->at("x[0]")->as_int(), 1);
  EXPECT_EQ(policy.spec.json_patches[1].operation.from, "/a");
  EXPECT_FALSE(policy.spec.json_patches[1].operation.value.has_value());
}

}  // namespace
}  // namespace sluice::api

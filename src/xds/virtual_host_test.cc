#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "envoy/config/route/v3/route.pb.h"

#include "xds/render.h"
#include "xds/testing.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

ir::Route route(ir::RouteMatch match, ir::RouteAction action) {
  return {.match = std::move(match),
          .action = std::make_shared<const ir::RouteAction>(std::move(action)),
          .owner = {GroupKind("gateway.networking.k8s.io", "HTTPRoute"), {"default", "web"}}};
}

ir::Forward to(std::string cluster) { return {.clusters = {{.cluster = std::move(cluster)}}}; }

// A route as Envoy will see it, without name and metadata.
json rendered(const ir::Route& route) {
  const std::string host = render_virtual_host("table", {.host = "*", .routes = {route}});
  const std::string_view hosts[] = {host};
  json made = as_json(ResourceType::kRoutes, assemble_routes("table", hosts));
  made = without_choices(made["virtualHosts"][0]["routes"][0]);
  made.erase("name");
  return made;
}

// What one route becomes; `like` is a route of Envoy Gateway's, the `index`th of the case.
struct Case {
  const char* parity;
  std::size_t index;
  ir::RouteMatch match;
  ir::RouteAction action;
};

constexpr char kCluster[] = "httproute/default/httproute-1/rule/0";

std::vector<Case> cases() {
  const ir::PathMatch root;
  const ir::ValueMatch cookie_3{.name = "cookie-3", .value = "xxx"};
  ir::Forward rewritten = to(kCluster);
  ir::Forward timed = to(kCluster);
  timed.timeout = ir::Duration(5'000);
  ir::Forward retried = to(kCluster);
  retried.retry = ir::Retry{
      .attempts = 3, .codes = {500}, .backoff = ir::Duration(200), .per_try_timeout = ir::Duration(3'000)};
  ir::Forward mirrored = to(kCluster);
  mirrored.mirrors = {
      {.cluster = "httproute/default/httproute-1/rule/0-mirror-0", .numerator = 20},
      {.cluster = "httproute/default/httproute-1/rule/0-mirror-1", .numerator = 1, .denominator = 2}};
  ir::Forward split;
  split.clusters = {
      {.cluster = "httproute/default/httproute-1/rule/0/backend/0",
       .weight = 50,
       .rewrite = ir::Rewrite{.host = "rewritten-host-a.example.com"}},
      {.cluster = "httproute/default/httproute-1/rule/0/backend/1",
       .weight = 50,
       .rewrite = ir::Rewrite{.host = "rewritten-host-b.example.com"}},
  };
  const auto with_rewrite = [](ir::Rewrite rewrite) {
    ir::Forward forward = to(kCluster);
    forward.rewrite = std::move(rewrite);
    return forward;
  };
  return {
      {"httproute-attaching-to-gateway", 0, {}, {to(kCluster)}},
      {"httproute-with-single-rule-with-http-method-match", 0, {.method = "POST"}, {to(kCluster)}},
      {"httproute-with-header-match-diff-number",
       0,
       {.headers = {{"x-org-id", ir::MatchKind::kRegex, ".*"}, {"hostname", ir::MatchKind::kRegex, ".*"}}},
       {to("httproute/default/httproute-1/rule/0")}},
      {"httproute-with-query-match-diff-number",
       0,
       {.query_params = {{"id", ir::MatchKind::kRegex, ".*"}, {"name", ir::MatchKind::kRegex, ".*"}}},
       {to("httproute/default/httproute-1/rule/0")}},
      {"httproute-with-single-rule-with-multiple-rules",
       0,
       {.path = {ir::MatchKind::kExact, "/exact"},
        .headers = {{"Header-1", ir::MatchKind::kExact, "exact"}},
        .query_params = {{"QueryParam-1", ir::MatchKind::kExact, "exact"}}},
       {to(kCluster)}},
      {"httproute-with-redirect-filter-full-path-replace-https",
       0,
       {},
       {ir::Redirect{.scheme = "https", .path = ir::PathRewrite{.full = "/redirected"}, .status = 301}}},
      {"httproute-with-redirect-filter-prefix-replace-with-port-http",
       0,
       {},
       {ir::Redirect{.scheme = "http", .path = ir::PathRewrite{.prefix = "/redirected"}, .port = 8080}}},
      {"httproute-with-urlrewrite-filter-prefix-replace-http",
       0,
       {},
       {with_rewrite({.path = ir::PathRewrite{.prefix = "/rewrite"}})}},
      {"httproute-with-urlrewrite-filter-full-path-replace-http",
       0,
       {},
       {with_rewrite({.path = ir::PathRewrite{.full = "/rewrite"}})}},
      {"httproute-with-urlrewrite-filter-invalid-filter-type",
       0,
       {},
       {with_rewrite({.host = "urlrewrite.envoyproxy.io"})}},
      {"httproute-with-backendref-urlrewrite-filter", 0, {.path = {.value = "/test/"}}, {split}},
      {"httproute-request-timeout", 0, {}, {timed}},
      {"httproute-retry", 1, {}, {retried}},
      {"httproute-with-mirror-filter-percentage-mirroring", 0, {}, {mirrored}},
      {"httproute-rule-with-empty-backends-and-no-filters", 0, {}, {ir::DirectResponse()}},
      {"httproute-with-header-filter-remove",
       0,
       {},
       {to(kCluster),
        ir::HeaderChanges{.remove = {"example-header-1", "example-header-2", "example-header-3"}},
        {}}},
      {"httproute-with-response-header-filter-adds",
       0,
       {},
       {to(kCluster),
        {},
        ir::HeaderChanges{.set = {{"set-header-4", "some-value"}},
                          .add = {{"Set-Header-1", "some-value"},
                                  {"set-header-2", "some-value"},
                                  {"set-header-3", "some-value"},
                                  {"set-header-5", "some-value"}}}}},
  };
}

TEST(Route, AsEnvoyGateway) {
  for (const Case& one : cases()) {
    for (const json& proxy : parity(one.parity)) {
      if (!proxy["routes"][0].contains("virtualHosts")) continue;  // of another gateway
      json want = without_choices(proxy["routes"][0]["virtualHosts"][0]["routes"][one.index]);
      want.erase("name");
      EXPECT_EQ(rendered(route(one.match, one.action)), want) << one.parity;
    }
  }
}

// All hand-made parts at once: reads the same as when the classes write it, and no field is there twice.
TEST(Route, PiecesMakeAWhole) {
  ir::VirtualHost host{.host = "*.example.com"};
  for (const Case& one : cases()) host.routes.push_back(route(one.match, one.action));
  host.routes[0].rule_name = "first";
  const std::string bytes = render_virtual_host("table", host);
  envoy::config::route::v3::VirtualHost parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  const std::string again = serialize(parsed);
  EXPECT_EQ(again.size(), bytes.size());
  EXPECT_EQ(bytes, render_virtual_host("table", host));
  EXPECT_EQ(parsed.name(), "table/*.example.com");
  EXPECT_EQ(parsed.routes(0).name(), "HTTPRoute/default/web/first");

  const std::string_view hosts[] = {bytes, bytes};
  const std::string_view canonical[] = {again, again};
  EXPECT_EQ(to_json(ResourceType::kRoutes, assemble_routes("table", hosts)),
            to_json(ResourceType::kRoutes, assemble_routes("table", canonical)));
}

TEST(Route, Text) {
  const std::string host = render_virtual_host(
      "gw/http", {.host = "example.com", .routes = {route({.path = {.value = "/a"}}, {to("web")})}});
  const std::string_view hosts[] = {host};
  EXPECT_EQ(to_json(ResourceType::kRoutes, assemble_routes("gw/http", hosts)), R"({
  "name": "gw/http",
  "virtualHosts": [
    {
      "name": "gw/http/example.com",
      "domains": [
        "example.com"
      ],
      "routes": [
        {
          "match": {
            "pathSeparatedPrefix": "/a"
          },
          "route": {
            "cluster": "web",
            "upgradeConfigs": [
              {
                "upgradeType": "websocket"
              }
            ]
          },
          "metadata": {
            "filterMetadata": {
              "sluice": {
                "kind": "HTTPRoute",
                "name": "web",
                "namespace": "default"
              }
            }
          },
          "name": "HTTPRoute/default/web"
        }
      ]
    }
  ],
  "ignorePortInHostMatching": true
}
)");
}

// What Envoy makes of it, test/features asks it.
TEST(Route, ARedirectWithoutAPortTakesItOutOfTheLocation) {
  const json made = rendered(route({}, {ir::Redirect{.scheme = "https", .without_port = true}}));
  EXPECT_FALSE(made["redirect"].contains("portRedirect")) << "Envoy would write it";
  const json header = made["responseHeadersToAdd"][0];
  EXPECT_EQ(header["header"]["key"], "location");
  EXPECT_EQ(header["appendAction"], "OVERWRITE_IF_EXISTS_OR_ADD");
  EXPECT_FALSE(rendered(route({}, {ir::Redirect{.scheme = "https"}})).contains("responseHeadersToAdd"));
}

// What a prefix that is replaced becomes in a rewrite; in a redirect it is the same.
json replaced(std::string prefix, const std::string& replacement) {
  const ir::PathRewrite path{.prefix = replacement};
  ir::Forward forward = to("web");
  forward.rewrite = ir::Rewrite{.path = path};
  const ir::RouteMatch match{.path = {.value = std::move(prefix)}};
  json rewrite = rendered(route(match, {forward}))["route"];
  rewrite.erase("cluster");
  rewrite.erase("upgradeConfigs");
  json redirect = rendered(route(match, {ir::Redirect{.path = path, .status = 301}}))["redirect"];
  EXPECT_EQ(redirect, rewrite);
  return rewrite;
}

TEST(Route, ASlashAtTheEndOfAReplacementIsIgnored) {
  EXPECT_EQ(replaced("/a", "/b"), json::parse(R"({"prefixRewrite": "/b"})"));
  EXPECT_EQ(replaced("/a", "/b/"), json::parse(R"({"prefixRewrite": "/b"})"));
}

TEST(Route, OfTheRootASlashAtTheEndOfAReplacementStays) {
  EXPECT_EQ(replaced("/", "/b/"), json::parse(R"({"prefixRewrite": "/b/"})"));
  EXPECT_EQ(replaced("/", "/b"), json::parse(R"({"prefixRewrite": "/b"})"));
}

TEST(Route, APrefixThatIsReplacedByNothingTakesItsSlashesAlong) {
  const json removal =
      json::parse(R"J({"regexRewrite": {"pattern": {"regex": "^/a\\.b\\/*"}, "substitution": "/"}})J");
  EXPECT_EQ(replaced("/a.b", "/"), removal);
  EXPECT_EQ(replaced("/a.b/", ""), removal);
}

TEST(Route, TextIsNoPattern) {
  ir::Forward forward = to("web");
  forward.rewrite = ir::Rewrite{.path = ir::PathRewrite{.full = R"(/\1)"}};
  EXPECT_EQ(rendered(route({}, {forward}))["route"]["regexRewrite"]["substitution"], R"(/\\1)");
}

TEST(Route, InvalidReferencesAreErrors) {
  ir::Forward forward;
  forward.clusters = {{.cluster = "web", .weight = 3}, {.weight = 1}};
  const json clusters = json::parse(
      R"({"clusters": [{"name": "web", "weight": 3}, {"name": "invalid-backend-cluster", "weight": 1}]})");
  const json http = rendered(route({}, {forward}))["route"];
  EXPECT_EQ(http["weightedClusters"], clusters);
  EXPECT_EQ(http["clusterNotFoundResponseCode"], "INTERNAL_SERVER_ERROR");
  forward.grpc = true;
  EXPECT_EQ(rendered(route({}, {forward}))["route"], json({{"weightedClusters", clusters}}));
}

TEST(Route, SharesOfRequests) {
  ir::RouteMatch match;
  match.below = ir::Fraction{.numerator = 1, .denominator = 3};
  EXPECT_EQ(rendered(route(match, {to("web")}))["match"], json::parse(R"({
    "prefix": "/",
    "runtimeFraction": {"defaultValue": {"numerator": 333333, "denominator": "MILLION"}}
  })"));
}

TEST(Route, MethodsOfAnyService) {
  ir::RouteMatch match;
  match.headers = {{.name = ":path", .kind = ir::MatchKind::kSuffix, .value = "/Get"}};
  EXPECT_EQ(rendered(route(match, {to("web")}))["match"], json::parse(R"({
    "prefix": "/",
    "headers": [{"name": ":path", "stringMatch": {"suffix": "/Get"}}]
  })"));
}

TEST(Route, Cors) {
  ir::RouteAction action{.action = to("web")};
  action.cors = ir::Cors{.origins = {"https://a.example", "https://*.b.example:8443"},
                         .methods = {"GET", "PUT"},
                         .headers = {"x-token"},
                         .exposed_headers = {"x-a", "x-b"},
                         .credentials = true,
                         .max_age = std::chrono::seconds(60)};
  EXPECT_EQ(rendered(route({}, action))["typedPerFilterConfig"], json::parse(R"({
    "envoy.filters.http.cors": {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
      "allowOriginStringMatch": [
        {"exact": "https://a.example"},
        {"safeRegex": {"regex": "https://.*\\.b\\.example:8443"}}
      ],
      "allowMethods": "GET, PUT",
      "allowHeaders": "x-token",
      "exposeHeaders": "x-a, x-b",
      "maxAge": "60",
      "allowCredentials": true,
      "forwardNotMatchingPreflights": false
    }
  })"));
}

json session_state(ir::PathMatch path, ir::Session session) {
  ir::Forward forward = to("web");
  forward.session = std::move(session);
  const json made = rendered(route({.path = std::move(path)}, {forward}));
  return made["typedPerFilterConfig"]["envoy.filters.http.stateful_session"]["statefulSession"]
             ["sessionState"]["typedConfig"];
}

TEST(Route, Sessions) {
  EXPECT_EQ(session_state({}, {.kind = ir::Session::Kind::kHeader, .name = "x-session"})["name"],
            "x-session");
  const ir::Session cookie{.name = "kept", .lifetime = std::chrono::hours(1)};
  EXPECT_EQ(session_state({.value = "/a"}, cookie)["cookie"],
            json::parse(R"({"name": "kept", "ttl": "3600s", "path": "/a"})"));
  const auto path = [&](std::string regex) {
    return session_state({.kind = ir::MatchKind::kRegex, .value = std::move(regex)},
                         {.name = "x"})["cookie"]["path"];
  };
  EXPECT_EQ(path("/a/b"), "/a/b");
  EXPECT_EQ(path("/a/b.*/c"), "/a");
  EXPECT_EQ(path("/a/(b|c)"), "/a");
  EXPECT_EQ(path("/.*"), "/");
}

TEST(Route, HostsFromElsewhere) {
  const auto made = [](ir::Rewrite rewrite) {
    ir::Forward forward = to("web");
    forward.rewrite = std::move(rewrite);
    json action = rendered(route({}, {forward}))["route"];
    action.erase("cluster");
    action.erase("upgradeConfigs");
    return action;
  };
  EXPECT_EQ(made({.host_header = "my-host"}),
            json::parse(R"({"hostRewriteHeader": "my-host", "appendXForwardedHost": true})"));
  EXPECT_EQ(made({.host_header = "my-host", .append_x_forwarded_host = false}),
            json::parse(R"({"hostRewriteHeader": "my-host"})"));
  EXPECT_EQ(made({.host_of_endpoint = true}),
            json::parse(R"({"autoHostRewrite": true, "appendXForwardedHost": true})"));
}

TEST(Route, TimeoutsAndIdleness) {
  const auto idle = [](std::int64_t seconds) {
    ir::Forward forward = to("web");
    forward.timeout = std::chrono::seconds(seconds);
    return rendered(route({}, {forward}))["route"]["idleTimeout"];
  };
  EXPECT_EQ(idle(1), "3600s");
  EXPECT_EQ(idle(7'200), "7200s");
  EXPECT_EQ(idle(0), "0s");
}

TEST(Route, WhatNoEndpointHasGotCanBeRepeatedAlone) {
  ir::Forward forward = to("web");
  forward.retry = ir::Retry{.attempts = 3, .only_unsent = true};
  json made = rendered(route({}, {forward}))["route"]["retryPolicy"];
  EXPECT_EQ(made["retryOn"], "connect-failure,refused-stream,reset-before-request");
  EXPECT_EQ(made["numRetries"], 3);
  EXPECT_FALSE(made.contains("retriableStatusCodes"));
}

TEST(Route, MoreOfABodyMayBeKeptThanOfAConnection) {
  ir::Forward forward = to("web");
  EXPECT_FALSE(rendered(route({}, {forward})).contains("requestBodyBufferLimit"));
  forward.body_limit = 16 << 20;
  EXPECT_EQ(rendered(route({}, {forward}))["requestBodyBufferLimit"], "16777216");
}

TEST(Route, DirectResponses) {
  const json made =
      rendered(route({}, {ir::DirectResponse{.status = 502, .body = "OK", .content_type = "text/plain"},
                          {},
                          ir::HeaderChanges{.set = {{"a", "1"}}, .add = {{"b", ""}}}}));
  EXPECT_EQ(made, json::parse(R"({
    "match": {"prefix": "/"},
    "directResponse": {"status": 502, "bodyFormat": {"textFormatSource": {"inlineBytes": "T0s="}}},
    "responseHeadersToAdd": [
      {"header": {"key": "Content-Type", "value": "text/plain"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"},
      {"header": {"key": "b"}, "keepEmptyValue": true},
      {"header": {"key": "a", "value": "1"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"}]
  })"));
}

TEST(Routes, LargeBodiesNeedLeave) {
  const auto assembled = [](std::size_t size) {
    const ir::Route one = route({}, {ir::DirectResponse{.status = 200, .body = std::string(size, 'x')}});
    const std::string host = render_virtual_host("table", {.host = "*", .routes = {one}});
    const std::string_view hosts[] = {host};
    return as_json(ResourceType::kRoutes, assemble_routes("table", hosts));
  };
  EXPECT_FALSE(assembled(4'096).contains("maxDirectResponseBodySizeBytes"));
  EXPECT_EQ(assembled(4'097)["maxDirectResponseBodySizeBytes"], 1'048'576);
}

}  // namespace
}  // namespace sluice::xds

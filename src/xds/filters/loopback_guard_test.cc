#include "xds/filters/loopback_guard.h"

#include <memory>
#include <regex>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ir/loopback.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

// The guard of the only route of a host; null where it has none.
json guard_of(const ir::Forward& forward, const std::string& on = "*") {
  ir::RouteAction action;
  action.action = forward;
  const ir::VirtualHost host{.host = on,
                             .routes = {{.match = {},
                                         .action = std::make_shared<const ir::RouteAction>(std::move(action)),
                                         .owner = {},
                                         .rule_name = ""}}};
  const std::string bytes = render_virtual_host("table", host);
  const std::string_view hosts[] = {bytes};
  const json made = as_json(ResourceType::kRoutes, assemble_routes("table", hosts));
  const json route = made["virtualHosts"][0]["routes"][0];
  if (!route.contains("typedPerFilterConfig")) return nullptr;
  return route["typedPerFilterConfig"]["envoy.filters.http.rbac.dfp_loopback_deny"]["rbac"]["matcher"];
}

// Each denies requests of one pattern; ours for every spelling is the last.
json predicates_of(const json& guard) {
  return guard["matcherList"]["matchers"][0]["predicate"]["orMatcher"]["predicate"];
}

json last_of(const json& guard) { return predicates_of(guard).back()["singlePredicate"]; }

TEST(LoopbackGuard, LooksAtTheHostThatIsResolved) {
  ir::Forward forward{.clusters = {{.cluster = "anywhere"}}};
  EXPECT_TRUE(guard_of(forward).is_null());
  forward.dynamic = true;
  EXPECT_EQ(last_of(guard_of(forward))["input"]["typedConfig"]["headerName"], ":authority");
  EXPECT_EQ(guard_of(forward)["onNoMatch"]["action"]["typedConfig"]["name"], "ALLOW");
  EXPECT_EQ(guard_of(forward)["matcherList"]["matchers"][0]["onMatch"]["action"]["typedConfig"]["action"],
            "DENY");
}

TEST(LoopbackGuard, LooksAtAHeaderWhereThatIsTheHost) {
  ir::Forward forward{.clusters = {{.cluster = "anywhere"}}};
  forward.dynamic = true;
  forward.rewrite = ir::Rewrite{.host = {}, .host_header = "x-host"};
  for (const json& predicate : predicates_of(guard_of(forward, "given.example"))) {
    EXPECT_EQ(predicate["singlePredicate"]["input"]["typedConfig"]["headerName"], "x-host");
  }
}

TEST(LoopbackGuard, LooksAtTheHostTooWhereTheHeaderMayBeAbsent) {
  ir::Forward forward{.clusters = {{.cluster = "anywhere"}}};
  forward.dynamic = true;
  forward.rewrite = ir::Rewrite{.host = {}, .host_header = "x-host"};
  const json last = last_of(guard_of(forward, "*"));
  EXPECT_EQ(last["input"]["typedConfig"]["headerName"], ":authority");
  EXPECT_EQ(last["valueMatch"]["safeRegex"]["regex"], ir::kLoopbackHost);
}

TEST(LoopbackGuard, TakesOneHostOnlyOfAHeader) {
  ir::Forward forward{.clusters = {{.cluster = "anywhere"}}};
  forward.dynamic = true;
  forward.rewrite = ir::Rewrite{.host = {}, .host_header = "x-host"};
  EXPECT_EQ(last_of(guard_of(forward, "given.example"))["valueMatch"]["safeRegex"]["regex"], ".*,.*");
}

TEST(LoopbackGuard, IsEnvoyGatewaysWhereTheHostIsGiven) {
  ir::Forward forward{.clusters = {{.cluster = "anywhere"}}};
  forward.dynamic = true;
  const json given = guard_of(forward, "gateway.envoyproxy.io");
  for (const json& proxy : parity("httproute-dynamic-resolver")) {
    const json route = proxy["routes"][0]["virtualHosts"][0]["routes"][0];
    EXPECT_EQ(given,
              route["typedPerFilterConfig"]["envoy.filters.http.rbac.dfp_loopback_deny"]["rbac"]["matcher"]);
  }
  const std::size_t patterns = predicates_of(given).size();
  EXPECT_EQ(predicates_of(guard_of(forward, "*.example.com")).size(), patterns);
  for (const char* host : {"*", "localhost", "*.localhost", "*.localdomain", "*.1", "a.0x7f"}) {
    EXPECT_EQ(predicates_of(guard_of(forward, host)).size(), patterns + 1) << host;
  }
  // The host that counts is not the one that is given.
  forward.rewrite = ir::Rewrite{.host = {}, .host_header = "x-host"};
  EXPECT_EQ(predicates_of(guard_of(forward, "gateway.envoyproxy.io")).size(), patterns + 2);
}

TEST(LoopbackGuard, KnowsEverySpellingOfThisMachine) {
  ir::Forward forward{.clusters = {{.cluster = "anywhere"}}};
  forward.dynamic = true;
  const std::string text = last_of(guard_of(forward))["valueMatch"]["safeRegex"]["regex"];
  ASSERT_TRUE(text.starts_with("(?i)"));  // the rest is the same in RE2's syntax and in that of std::regex
  const std::regex regex(text.substr(4), std::regex::icase);
  for (const char* host : {"localhost",
                           "LOCALHOST:80",
                           "localhost.",
                           "a.localhost",
                           "localhost.localdomain",
                           "ip6-loopback",
                           "127.0.0.1",
                           "127.255.0.9:8080",
                           "127.1:9",
                           "0177.0.0.1",
                           "0x7f.1",
                           "0x7f000001",
                           "2130706433",
                           "0",
                           "0.0.0.0:80",
                           "::1",
                           "[::1]",
                           "[::1]:80",
                           "[::]",
                           "[0:0:0:0:0:0:0:1]:1",
                           "[::ffff:127.0.0.1]",
                           "[::ffff:7f00:1]"}) {
    EXPECT_TRUE(std::regex_match(host, regex)) << host;
  }
  for (const char* host : {"example.com", "localhost.example.com", "127.example.com", "0ad.example",
                           "10.0.0.1", "1.2.3.4:80", "[2001:db8::1]", "[fd00::7f1]:80", "[1::1]"}) {
    EXPECT_FALSE(std::regex_match(host, regex)) << host;
  }
}

}  // namespace
}  // namespace sluice::xds

#include "xds/filters/ext_authz.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <re2/re2.h>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

constexpr const char* kName = "envoy.filters.http.ext_authz/service/default/auth/0123456789ab";

// The filters of a chain with this one, the last of which is the router.
json filters_with(ir::ExtAuthz auth) {
  ir::HttpChain chain{.name = "chain", .route_table = "table"};
  chain.extensions.push_back(
      std::make_shared<const ir::Extension>(ir::Extension{.name = kName, .filter = std::move(auth)}));
  const ir::Listener listener{.name = "http", .address = "0.0.0.0", .port = 80, .chains = {chain}};
  const json made = as_json(ResourceType::kListener, render_listener(listener));
  return made["defaultFilterChain"]["filters"][0]["typedConfig"]["httpFilters"];
}

json config_of(ir::ExtAuthz auth) {
  json config = filters_with(std::move(auth))[0]["typedConfig"];
  config.erase("@type");
  return config;
}

TEST(ExtAuthz, IsOffUntilARouteWantsIt) {
  const json filters = filters_with({.cluster = "auth", .authority = "auth.default"});
  ASSERT_EQ(filters.size(), 2U);
  EXPECT_EQ(filters[0]["name"], kName);
  EXPECT_EQ(filters[0]["disabled"], true);
}

TEST(ExtAuthz, AsksByGrpc) {
  EXPECT_EQ(
      config_of(
          {.cluster = "auth", .authority = "auth.default:9000", .request_headers = {"x-a"}, .max_body = 9}),
      json::parse(R"({
    "grpcService": {"envoyGrpc": {"clusterName": "auth", "authority": "auth.default:9000"}, "timeout": "10s"},
    "transportApiVersion": "V3",
    "allowedHeaders": {"patterns": [{"exact": "x-a"}]},
    "withRequestBody": {"maxRequestBytes": 9}})"));
}

TEST(ExtAuthz, AsksByHttp) {
  EXPECT_EQ(config_of({.cluster = "auth",
                       .authority = "auth.default:80",
                       .http = ir::ExtAuthz::Http{.path = "/check", .response_headers = {"x-user"}}}),
            json::parse(R"({
    "httpService": {"serverUri": {"uri": "http://auth.default:80", "cluster": "auth", "timeout": "10s"},
      "pathPrefix": "/check",
      "authorizationResponse": {"allowedUpstreamHeaders": {"patterns": [{"exact": "x-user"}]}}},
    "transportApiVersion": "V3"})"));
}

TEST(ExtAuthz, HasAllHeadersOfTheAnswerButThoseOfThatMessage) {
  const json config = config_of({.cluster = "auth", .authority = "auth", .http = ir::ExtAuthz::Http()});
  std::vector<std::unique_ptr<re2::RE2>> regexes;
  for (const json& pattern :
       config["httpService"]["authorizationResponse"]["allowedUpstreamHeaders"]["patterns"]) {
    regexes.push_back(std::make_unique<re2::RE2>(pattern["safeRegex"]["regex"].get<std::string>()));
    ASSERT_TRUE(regexes.back()->ok());
    EXPECT_LE(regexes.back()->ProgramSize(), 100) << regexes.back()->pattern() << ": Envoy refuses more";
  }
  EXPECT_LE(regexes.size(), 60U);
  const auto is_allowed = [&regexes](const char* name) {
    return std::ranges::any_of(regexes,
                               [name](const auto& regex) { return re2::RE2::FullMatch(name, *regex); });
  };
  for (const char* const name :
       {"x-user", "hosts", "hos", "content-type", "content-length-x", "connect", "t", "tea", "set-cookie",
        "date", "authorization", "connection-x", "keep", "upgrad"}) {
    EXPECT_TRUE(is_allowed(name)) << name;
  }
  for (const char* const name : {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade",
                                 "trailer", "proxy-connection", ":status", ":authority", "keep-alive"}) {
    EXPECT_FALSE(is_allowed(name)) << name;
  }
}

// Against the words themselves: all texts of three letters over a small alphabet.
TEST(RegexOfOtherNames, TakesAllThatIsNoneOfThem) {
  const std::vector<std::vector<std::string_view>> lists{{"a"},
                                                         {"a", "ab"},
                                                         {"ab", "a-"},
                                                         {"-", "a-b", "a-a"},
                                                         {"aaa", "b", "ba"},
                                                         {"aab", "aba", "abb", "-ab"}};
  constexpr std::string_view kLetters = "ab-";
  for (const auto& names : lists) {
    const std::vector<std::string> regexes = regexes_of_other_names(names);
    std::vector<std::string> texts{""};
    for (std::size_t at = 0; at < texts.size(); ++at) {
      const std::string text = texts[at];
      if (text.size() < 4) {
        for (const char c : kLetters) texts.push_back(text + c);
      }
      if (text.empty()) continue;
      const bool listed = std::ranges::find(names, text) != names.end();
      const bool taken = std::ranges::any_of(
          regexes, [&text](const std::string& regex) { return re2::RE2::FullMatch(text, regex); });
      EXPECT_EQ(taken, !listed) << text;
    }
  }
}

}  // namespace
}  // namespace sluice::xds

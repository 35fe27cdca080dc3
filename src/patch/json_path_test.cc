#include "patch/json_path.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

namespace sluice::patch {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

const json& document() {
  static const json made = json::parse(R"({
    "name": "all",
    "chains": [
      {"name": "a", "filters": [{"name": "lua", "port": 1}, {"name": "router", "on": true}]},
      {"name": "b", "filters": [{"name": "router", "port": 3}]},
      {"name": "c.d", "filters": []}
    ],
    "odd keys": {"a.b": 1, "x/y": {"it's": 2}, "@type": "t"}
  })");
  return made;
}

// The places as pointers, or one text that says why not.
std::vector<std::string> places(std::string_view expression) {
  const auto path = JsonPath::parse(expression);
  if (!path) return {path.error().message};
  const auto found = path->locate(document());
  if (!found) return {found.error().message};
  std::vector<std::string> texts;
  for (const Pointer& pointer : *found) texts.push_back(to_string(pointer));
  return texts;
}

TEST(JsonPath, FindsMembersAndEntries) {
  EXPECT_THAT(places("$.chains[0].name"), ElementsAre("/chains/0/name"));
  EXPECT_THAT(places("$['chains'][-1][\"name\"]"), ElementsAre("/chains/2/name"));
  EXPECT_THAT(places("$"), ElementsAre(""));
}
TEST(JsonPath, TheRootMayBeLeftOut) {
  EXPECT_THAT(places("chains[1].name"), ElementsAre("/chains/1/name"));
  EXPECT_THAT(places("..port"), ElementsAre("/chains/0/filters/0/port", "/chains/1/filters/0/port"));
}
TEST(JsonPath, WildcardsFindAll) {
  EXPECT_THAT(places("$.chains[*].name"), ElementsAre("/chains/0/name", "/chains/1/name", "/chains/2/name"));
  EXPECT_THAT(places("$.chains[1].*"), ElementsAre("/chains/1/filters", "/chains/1/name"));
}
TEST(JsonPath, UnionsFindEachOnce) {
  EXPECT_THAT(places("$.chains[2,0,0].name"), ElementsAre("/chains/2/name", "/chains/0/name"));
  EXPECT_THAT(places("$.chains[1]['name','filters']"), ElementsAre("/chains/1/name", "/chains/1/filters"));
}
TEST(JsonPath, SlicesFindRanges) {
  EXPECT_THAT(places("$.chains[1:]"), ElementsAre("/chains/1", "/chains/2"));
  EXPECT_THAT(places("$.chains[:-1]"), ElementsAre("/chains/0", "/chains/1"));
  EXPECT_THAT(places("$.chains[::2]"), ElementsAre("/chains/0", "/chains/2"));
  EXPECT_THAT(places("$.chains[::-1]"), ElementsAre("/chains/2", "/chains/1", "/chains/0"));
}
TEST(JsonPath, NamesInQuotesMayBeAnything) {
  EXPECT_THAT(places("$['odd keys']['a.b']"), ElementsAre("/odd keys/a.b"));
  EXPECT_THAT(places(R"($['odd keys']['x/y']['it\'s'])"), ElementsAre("/odd keys/x~1y/it's"));
  EXPECT_THAT(places("$..['@type']"), ElementsAre("/odd keys/@type"));
}
TEST(JsonPath, FiltersCompare) {
  EXPECT_THAT(places("..filters[?(@.name == 'router')]"),
              ElementsAre("/chains/0/filters/1", "/chains/1/filters/0"));
  EXPECT_THAT(places("..filters[?@.port >= 2]"), ElementsAre("/chains/1/filters/0"));
  EXPECT_THAT(places("$.chains[?@.name != \"a\" && !(@.name == 'b')]"), ElementsAre("/chains/2"));
  EXPECT_THAT(places("$.chains[?@.name == 'a' || @.name == 'b'].name"),
              ElementsAre("/chains/0/name", "/chains/1/name"));
}
TEST(JsonPath, FiltersAskWhetherSomethingIsThere) {
  EXPECT_THAT(places("..filters[?@.on]"), ElementsAre("/chains/0/filters/1"));
  EXPECT_THAT(places("$.chains[?@.filters[?@.name == 'lua']].name"), ElementsAre("/chains/0/name"));
}
TEST(JsonPath, FiltersSearchRegularExpressions) {
  EXPECT_THAT(places("$.chains[?match(@.name, 'c..')]"), ElementsAre("/chains/2"));
  EXPECT_THAT(places("$.chains[?(@.name =~ /[ab]/)]"), ElementsAre("/chains/0", "/chains/1"));
  EXPECT_THAT(places("$.chains[?search(@.name, 'd$')]"), ElementsAre("/chains/2"));
}
TEST(JsonPath, FiltersCount) {
  EXPECT_THAT(places("$.chains[?length(@.filters) == 2]"), ElementsAre("/chains/0"));
  EXPECT_THAT(places("$.chains[?count(@.filters[*]) < 1]"), ElementsAre("/chains/2"));
}
TEST(JsonPath, FiltersMayLookAtTheRoot) { EXPECT_THAT(places("$.chains[?$.name == 'all'].name").size(), 3u); }

TEST(JsonPath, NothingFoundSaysHowFarTheWayGoes) {
  EXPECT_THAT(places("$.chains[7].filters[0]"),
              ElementsAre("`$.chains[7]` finds nothing: `/chains` has 3 entries"));
  EXPECT_THAT(places("$.chains[?@.name == 'z']"),
              ElementsAre("`$.chains[?@.name == 'z']` finds nothing: `/chains` has 3 entries"));
}
TEST(JsonPath, NothingFoundSaysWhatWasProbablyMeant) {
  const auto meant = [](std::string_view expression) {
    const auto table = json::parse(R"({"virtual_hosts": [
      {"name": "default/web/http/www_example_com",
       "routes": [{"name": "httproute/default/cart/rule/0/match/0/www_example_com", "route": {"cluster": "a"}}]},
      {"name": "default/web/http/shop_example_com", "routes": []}]})");
    const auto found = JsonPath::parse(expression)->locate(table);
    return found ? "found" : found.error().suggestion;
  };
  EXPECT_EQ(meant("$.virtual_hosts[?(@.name == 'default/web/http/www_exmaple_com')]"),
            "did you mean `default/web/http/www_example_com`?");
  EXPECT_EQ(meant("$.virtual_hosts[?('default/web/htp/shop_example_com' == @.name && @.routes)]"),
            "did you mean `default/web/http/shop_example_com`?");
  EXPECT_EQ(meant("..routes[?match(@.name, 'httproute/default/carts/.*')].route.cluster"),
            "did you mean `httproute/default/cart/`?");
  EXPECT_EQ(meant("$.virtual_hosts[*].route[0]"), "did you mean `routes`?");
  EXPECT_EQ(meant("$.virtual_hosts[?(@.name == 'another')]"), "");
  // The name is right; what else is asked for is not.
  EXPECT_EQ(meant("$.virtual_hosts[?(@.name == 'default/web/http/shop_example_com' && @.cors)]"), "");
}
TEST(JsonPath, WhatIsNoExpressionIsToldWithTheColumn) {
  EXPECT_THAT(
      places("$.chains["),
      ElementsAre("`$.chains[` is no JSONPath: at column 10, an index, a quoted name, `*` or a filter is "
                  "missing"));
  EXPECT_THAT(
      places("i'm none"),
      ElementsAre("`i'm none` is no JSONPath: at column 2, there is something that no expression goes on "
                  "with"));
  EXPECT_THAT(places("$.a[?(@.b == x)]"),
              ElementsAre("`$.a[?(@.b == x)]` is no JSONPath: at column 14, `@`, a quoted string, a number, "
                          "`true`, `false` or `null` is missing"));
  EXPECT_THAT(places(""), ElementsAre("`` is no JSONPath: at column 1, there is nothing to find"));
}
TEST(JsonPath, AnExpressionThatLooksAtEverythingForEverythingEnds) {
  json deep;
  for (int i = 0; i < 200; ++i) deep = json{{"a", deep}, {"b", i}};
  const auto path = JsonPath::parse("$..*..*..*[?$..a == $..b]");
  EXPECT_EQ(path->locate(deep).error().message, "`$..*..*..*[?$..a == $..b]` looks at too many values");
}

}  // namespace
}  // namespace sluice::patch

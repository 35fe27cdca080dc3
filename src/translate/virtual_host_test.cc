#include "translate/virtual_host.h"

#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

using ir::MatchKind;

ir::RouteMatch path(MatchKind kind, std::string value) {
  return {.path = {.kind = kind, .value = std::move(value)}};
}

ir::RouteMatch with_headers(ir::RouteMatch match, std::vector<std::string> names) {
  for (std::string& name : names) match.headers.push_back({.name = std::move(name), .value = "x"});
  return match;
}

struct Of {
  std::string route;
  std::string created;
  std::vector<ir::RouteMatch> matches;
};

ObjectKey key_of(const std::string& route) { return {.kind = {"", "HTTPRoute"}, .name = {"default", route}}; }

MergedHost merge(const std::vector<Of>& routes, bool keep_order = false) {
  std::vector<Contribution> contributions(routes.size());
  std::vector<std::pair<ObjectKey, const Contribution*>> given;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    std::vector<ir::Route> list;
    std::vector<std::uint32_t> rules;  // each match is one
    for (const ir::RouteMatch& match : routes[i].matches) {
      rules.push_back(static_cast<std::uint32_t>(rules.size()));
      list.push_back({.match = match,
                      .action = std::make_shared<const ir::RouteAction>(),
                      .owner = key_of(routes[i].route)});
    }
    contributions[i] = {.creation_timestamp = routes[i].created,
                        .keep_order = keep_order,
                        .routes = std::make_shared<const std::vector<ir::Route>>(std::move(list)),
                        .rules = std::make_shared<const std::vector<std::uint32_t>>(rules)};
    given.emplace_back(key_of(routes[i].route), &contributions[i]);
  }
  return merge_host("*", given);
}

// "<route>:<path>" in the order in which they are tried.
std::vector<std::string> order(const MergedHost& merged) {
  std::vector<std::string> out;
  for (const ir::Route& route : merged.host.routes) {
    out.push_back(route.owner.name.name + ":" + route.match.path.value +
                  (route.match.method.empty() ? "" : "!") + std::string(route.match.headers.size(), 'h') +
                  std::string(route.match.query_params.size(), 'q'));
  }
  return out;
}

using Order = std::vector<std::string>;

TEST(VirtualHost, ExactPathsComeBeforeRegularExpressionsBeforeLongerPrefixes) {
  EXPECT_EQ(order(merge({{"r",
                          "",
                          {path(MatchKind::kPrefix, "/"), path(MatchKind::kPrefix, "/abc"),
                           path(MatchKind::kRegex, "/a.*"), path(MatchKind::kExact, "/a")}}})),
            (Order{"r:/a", "r:/a.*", "r:/abc", "r:/"}));
}

TEST(VirtualHost, OfEqualPathsAMethodThenHeadersThenQueryParametersDecide) {
  ir::RouteMatch method = path(MatchKind::kPrefix, "/a");
  method.method = "GET";
  ir::RouteMatch query = path(MatchKind::kPrefix, "/a");
  query.query_params.push_back({.name = "q", .value = "1"});
  EXPECT_EQ(order(merge(
                {{"r",
                  "",
                  {path(MatchKind::kPrefix, "/a"), query, with_headers(path(MatchKind::kPrefix, "/a"), {"x"}),
                   with_headers(path(MatchKind::kPrefix, "/a"), {"x", "y"}), method}}})),
            (Order{"r:/a!", "r:/ahh", "r:/ah", "r:/aq", "r:/a"}));
}

TEST(VirtualHost, OfEqualMatchesTheOldestRouteIsTriedFirst) {
  EXPECT_EQ(order(merge({{"a", "2024-02-01T00:00:00Z", {path(MatchKind::kPrefix, "/x")}},
                         {"b", "2024-01-01T00:00:00Z", {path(MatchKind::kPrefix, "/x")}},
                         {"c", "", {path(MatchKind::kPrefix, "/x")}}})),
            (Order{"b:/x", "a:/x", "c:/x"}));
}

TEST(VirtualHost, OfEqualAgesTheNameDecidesAndThenThePlaceInTheRoute) {
  EXPECT_EQ(order(merge({{"b", "", {path(MatchKind::kPrefix, "/y"), path(MatchKind::kPrefix, "/x")}},
                         {"a", "", {path(MatchKind::kPrefix, "/z")}}})),
            (Order{"a:/z", "b:/y", "b:/x"}));
}

TEST(VirtualHost, PreservedOrderIsTheOrderOfTheText) {
  EXPECT_EQ(order(merge({{"r", "", {path(MatchKind::kPrefix, "/"), path(MatchKind::kExact, "/a")}}}, true)),
            (Order{"r:/", "r:/a"}));
}

TEST(VirtualHost, RoutesThatClaimOneMatchHearOfEachOther) {
  const MergedHost merged =
      merge({{"a", "", {path(MatchKind::kPrefix, "/x"), path(MatchKind::kPrefix, "/x")}},
             {"b", "", {path(MatchKind::kPrefix, "/x")}},
             {"c", "", {path(MatchKind::kPrefix, "/y")}}});
  const ObjectKey a = key_of("a");
  const ObjectKey b = key_of("b");
  EXPECT_EQ(merged.overlaps, (Overlaps{{a, {b}}, {b, {a}}}));
}

TEST(VirtualHost, OfManyRoutesThatClaimOneMatchEachHearsOfSome) {
  std::vector<Of> routes;
  for (int i = 0; i < 100; ++i)
    routes.push_back({fmt::format("r{:02}", i), "", {path(MatchKind::kExact, "/x")}});
  const Overlaps overlaps = merge(routes).overlaps;
  EXPECT_EQ(overlaps.size(), routes.size());
  for (const auto& [route, others] : overlaps) {
    EXPECT_FALSE(others.contains(route));
    // More than are told of, so that it is seen that there are more.
    EXPECT_GT(others.size(), kMaxOverlaps);
    EXPECT_LE(others.size(), kMaxOverlaps + 2);
    EXPECT_TRUE(others.contains(key_of(route == key_of("r00") ? "r01" : "r00"))) << "the oldest";
  }
}

// The oracle compares each route with each.
TEST(VirtualHost, OverlapsAreThoseOfEqualMatches) {
  std::mt19937 random(1);
  const auto pick = [&random](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  for (int round = 0; round < 100; ++round) {
    std::vector<Of> routes;
    for (std::size_t i = 0; i < 8; ++i) {
      Of& route = routes.emplace_back(Of{fmt::format("r{}", i), fmt::format("{}", pick(3)), {}});
      for (std::size_t m = pick(4); m > 0; --m) {
        ir::RouteMatch match = path(MatchKind::kExact, fmt::format("/{}", pick(2)));
        if (pick(2) == 0) match.method = "GET";
        if (pick(2) == 0) match = with_headers(match, {fmt::format("h{}", pick(2))});
        if (pick(4) == 0) match.below = ir::Fraction{.numerator = 1, .denominator = 2};
        route.matches.push_back(std::move(match));
      }
    }
    Overlaps wanted;
    for (const Of& a : routes) {
      for (const Of& b : routes) {
        const bool meet = std::ranges::any_of(a.matches, [&b](const ir::RouteMatch& m) {
          return std::ranges::find(b.matches, m) != b.matches.end();
        });
        if (meet && a.route != b.route) wanted[key_of(a.route)].insert(key_of(b.route));
      }
    }
    EXPECT_EQ(merge(routes).overlaps, wanted);
    EXPECT_EQ(merge(routes, true).overlaps, wanted) << "in the order of the text";
  }
}

// "<route>/<rule> to <route>/<rule>".
Order lost(const MergedHost& merged) {
  Order out;
  for (const auto& [route, matches] : merged.lost) {
    for (const LostMatch& match : matches.matches) {
      out.push_back(fmt::format("{}/{} to {}/{}{}", route.name.name, match.rule, match.winner.name.name,
                                match.winning_rule, match.older ? ", older" : ""));
    }
  }
  return out;
}

TEST(VirtualHost, AMatchIsLostToTheFirstRuleThatHasIt) {
  const ir::RouteMatch a = path(MatchKind::kPrefix, "/a");
  const ir::RouteMatch b = path(MatchKind::kExact, "/b");
  EXPECT_EQ(lost(merge({{"x", "2026-01-02T00:00:00Z", {a, b}},
                        {"y", "2026-01-01T00:00:00Z", {b, a}},
                        {"z", "2026-01-02T00:00:00Z", {a}}})),
            (Order{"x/0 to y/1, older", "x/1 to y/0, older", "z/0 to y/1, older"}));
  EXPECT_EQ(lost(merge({{"x", "", {a}}, {"y", "", {path(MatchKind::kPrefix, "/c"), a, a}}})),
            (Order{"y/1 to x/0", "y/2 to x/0"}));
}

TEST(VirtualHost, AMatchIsLostToAnEarlierRuleOfItsOwnRoute) {
  const ir::RouteMatch a = path(MatchKind::kPrefix, "/a");
  EXPECT_EQ(lost(merge({{"x", "", {a, path(MatchKind::kExact, "/a"), a}}})), (Order{"x/2 to x/0"}));
}

TEST(VirtualHost, PreflightsOfSeveralMethodsAreNoLostMatches) {
  ir::RouteMatch preflight = path(MatchKind::kPrefix, "/a");
  preflight.method = "OPTIONS";
  for (const char* header : {"origin", "access-control-request-method"}) {
    preflight.headers.push_back({.name = header, .kind = MatchKind::kRegex, .value = ".*"});
  }
  EXPECT_EQ(lost(merge({{"x", "", {preflight, preflight}}})), Order());
}

TEST(VirtualHost, OfSharesOfOneMatchTheLastIsLost) {
  const ir::RouteMatch whole = path(MatchKind::kPrefix, "/a");
  ir::RouteMatch half = whole;
  half.below = ir::Fraction{.numerator = 1, .denominator = 2};
  EXPECT_EQ(lost(merge({{"x", "", {half, whole}}, {"y", "", {half, whole}}})), (Order{"y/1 to x/1"}));
}

TEST(LostMatches, AreToldOnceForAllHosts) {
  const LostMatches to_older{{{.rule = 1, .winner = key_of("old"), .winning_rule = 2, .older = true}}};
  const LostMatches to_name{{{.rule = 0, .winner = key_of("a"), .winning_rule = 0, .older = false}}};
  const LostMatches to_self{{{.rule = 3, .winner = key_of("x"), .winning_rule = 1, .older = false}}};
  const auto words = [](const std::vector<std::pair<std::string, const LostMatches*>>& by_host) {
    Order out;
    for (const Problem& p : problems_of_lost(key_of("x"), by_host)) {
      EXPECT_EQ(p.severity, Severity::kWarning);
      out.push_back(p.path + ": " + p.message + " → " + p.also.at(0).object.name.name + " " +
                    p.also.at(0).path);
    }
    return out;
  };
  EXPECT_EQ(words({{"a.example", &to_older}, {"a.example", &to_older}}),
            Order{"spec.rules[1]: HTTPRoute default/old has the same match for host a.example, and gets the "
                  "requests: it is older → old spec.rules[2]"});
  EXPECT_EQ(
      words({{"a.example", &to_older}, {"b.example", &to_older}, {"c.example", &to_older}}),
      Order{"spec.rules[1]: HTTPRoute default/old has the same match for host a.example and 2 more, and "
            "gets the requests: it is older → old spec.rules[2]"});
  EXPECT_EQ(words({{"*", &to_name}}),
            Order{"spec.rules[0]: HTTPRoute default/a has the same match for every host, and gets the "
                  "requests: it is as old, and the first by name → a spec.rules[0]"});
  EXPECT_EQ(
      words({{"*", &to_self}}),
      Order{"spec.rules[3]: `spec.rules[1]` has the same match for every host, and gets the requests: it "
            "is the earlier rule → x spec.rules[1]"});
}

TEST(VirtualHost, NamesEachClusterOnce) {
  ir::Forward forward;
  forward.clusters = {{.cluster = "b"}, {.cluster = ""}, {.cluster = "a"}};
  forward.mirrors = {{.cluster = "b"}};
  const auto action = std::make_shared<const ir::RouteAction>(ir::RouteAction{.action = forward});
  const ir::VirtualHost host{.host = "*", .routes = {{.action = action}, {.action = action}}};
  EXPECT_EQ(clusters_of(host), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace sluice::translate

#include "translate/redirect_port.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

// A redirect at a listener, and where it leads: "https://HOST" where the Host of the request stays as it is,
// "https://host" where it loses its port.
struct Row {
  const char* sentence;
  Entrance entrance;
  ir::Redirect redirect;
  const char* leads_to;
};

std::string in_words(const Entrance& entrance, const ir::Redirect& redirect) {
  std::string text = !redirect.scheme.empty() ? redirect.scheme : entrance.tls ? "https" : "http";
  text += fmt::format("://{}", redirect.host                            ? *redirect.host
                               : redirect.without_port || redirect.port ? "host"
                                                                        : "HOST");
  if (redirect.port) text += fmt::format(":{}", *redirect.port);
  return text;
}

class RedirectPort : public testing::TestWithParam<Row> {};

TEST_P(RedirectPort, OfAListener) {
  const auto& [sentence, entrance, redirect, leads_to] = GetParam();
  EXPECT_EQ(in_words(entrance, redirect_at(entrance, redirect)), leads_to);
}

constexpr Entrance kHttp{.port = 80};
constexpr Entrance kHttps{.port = 443, .tls = true};
constexpr Entrance kHttp8080{.port = 8080};
constexpr Entrance kHttps8443{.port = 8443, .tls = true};

INSTANTIATE_TEST_SUITE_P(
    Each, RedirectPort,
    testing::Values(
        Row{"WithoutASchemeItIsThatOfTheListener", kHttp8080, {}, "http://host:8080"},
        Row{"WithoutASchemeItIsThatOfTheListenerForAnotherHostToo",
            kHttp8080,
            {.host = "new"},
            "http://new:8080"},
        Row{"WithoutASchemeItIsThatOfTheListenerOverTlsToo", kHttps8443, {}, "https://host:8443"},
        Row{"OfASchemeItIsTheWellKnownOne", kHttp8080, {.scheme = "https"}, "https://host"},
        Row{"OfASchemeItIsTheWellKnownOneOverTlsToo", kHttps8443, {.scheme = "http"}, "http://host"},
        Row{"TheSchemeOfTheListenerIsAScheme", kHttp8080, {.scheme = "http"}, "http://host"},
        Row{"AnotherHostHasNoPortToLose", kHttp8080, {.scheme = "https", .host = "new"}, "https://new"},
        Row{"TheUsersPortIsWritten", kHttp8080, {.scheme = "https", .port = 8443}, "https://host:8443"},
        Row{"AUsersPortThatGoesWithoutSayingIsNot",
            kHttp8080,
            {.scheme = "https", .port = 443},
            "https://host"},
        Row{"Port80OfHttpGoesWithoutSaying", kHttp8080, {.port = 80}, "http://host"},
        Row{"Port443OfHttpDoesNot", kHttp8080, {.port = 443}, "http://host:443"},
        Row{"Port80OfHttpsDoesNot", kHttp, {.scheme = "https", .port = 80}, "https://host:80"},
        Row{"AListenerAtItsUsualPortIsNotNamed", kHttp, {.host = "new"}, "http://new"},
        Row{"AListenerAtItsUsualPortIsNotNamedOverTls", kHttps, {}, "https://HOST"},
        Row{"AnotherPortInFrontOfAUsualOneStays", kHttp, {.scheme = "https"}, "https://HOST"},
        Row{"HttpAtThePortOfHttpsIsNamed", {.port = 443}, {}, "http://host:443"}),
    [](const testing::TestParamInfo<Row>& row) { return std::string(row.param.sentence); });

TEST(RedirectPort, MatchesOfARuleShareTheirRedirect) {
  const auto action = std::make_shared<const ir::RouteAction>(ir::RouteAction{.action = ir::Redirect()});
  const auto other = std::make_shared<const ir::RouteAction>(ir::RouteAction{.action = ir::DirectResponse()});
  const auto routes = std::make_shared<const std::vector<ir::Route>>(
      std::vector<ir::Route>{{.match = {}, .action = action, .owner = {}, .rule_name = ""},
                             {.match = {}, .action = other, .owner = {}, .rule_name = ""},
                             {.match = {}, .action = action, .owner = {}, .rule_name = ""}});
  const RoutesPtr here = routes_at(kHttp8080, routes);
  EXPECT_EQ(std::get<ir::Redirect>(here->at(0).action->action).port, 8080);
  EXPECT_EQ(here->at(1).action, other);
  EXPECT_EQ(here->at(2).action, here->at(0).action);
  EXPECT_EQ(routes_at(kHttp, routes), routes) << "nothing depends on the listener";
}

}  // namespace
}  // namespace sluice::translate

#include "explain/rewrite.h"

#include <gtest/gtest.h>

namespace sluice::explain {
namespace {

// What becomes of a path when a matched prefix is replaced. test/features asks the real Envoy the same.
struct Row {
  const char* path;
  const char* prefix;
  const char* replacement;
  const char* becomes;
};

constexpr Row kRows[] = {
    // Gateway API's table of replacePrefixMatch.
    {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
    {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
    {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
    {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
    {"/foo", "/foo", "/xyz", "/xyz"},
    {"/foo/", "/foo", "/xyz", "/xyz/"},
    {"/foo/bar", "/foo", "", "/bar"},
    {"/foo/", "/foo", "", "/"},
    {"/foo", "/foo", "", "/"},
    {"/foo/", "/foo", "/", "/"},
    {"/foo", "/foo", "/", "/"},
    // What it leaves open.
    {"/x", "/", "", "/x"},
    {"/", "/", "/", "/"},
};

class ReplacedPrefix : public testing::TestWithParam<Row> {
 protected:
  const ir::PathRewrite path_{.full = {}, .prefix = GetParam().replacement, .regex = {}};
  const ir::PathMatch match_{.kind = ir::MatchKind::kPrefix, .value = GetParam().prefix};
  const Request request_{.authority = "a.example", .path = std::string(GetParam().path) + "?q=/foo"};
  const Arrival arrival_ = arrive(request_);
};

TEST_P(ReplacedPrefix, OfARewrite) {
  EXPECT_EQ(rewritten_path(path_, match_, arrival_), std::string(GetParam().becomes) + "?q=/foo");
}

TEST_P(ReplacedPrefix, OfARedirect) {
  EXPECT_EQ(location({.path = path_}, match_, request_, arrival_),
            std::string("http://a.example") + GetParam().becomes + "?q=/foo");
}

INSTANTIATE_TEST_SUITE_P(Row, ReplacedPrefix, testing::ValuesIn(kRows));

TEST(Location, LosesThePortOfTheHostWhereTheRedirectHasNone) {
  const auto leads_to = [](const ir::Redirect& redirect, const char* host) {
    const Request request{.authority = host, .path = "/a:80/"};
    return location(redirect, {}, request, arrive(request));
  };
  const ir::Redirect without{.scheme = "https", .without_port = true};
  EXPECT_EQ(leads_to(without, "a.example:8080"), "https://a.example/a:80/");
  EXPECT_EQ(leads_to(without, "[::1]:8080"), "https://[::1]/a:80/");
  EXPECT_EQ(leads_to(without, "[::1]"), "https://[::1]/a:80/");
  EXPECT_EQ(leads_to({.scheme = "https"}, "a.example:8080"), "https://a.example:8080/a:80/");
  EXPECT_EQ(leads_to({.port = 8081}, "a.example:8080"), "http://a.example:8081/a:80/");
}

}  // namespace
}  // namespace sluice::explain

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

}  // namespace
}  // namespace sluice::explain

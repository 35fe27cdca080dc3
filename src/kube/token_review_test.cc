#include "kube/token_review.h"

#include <chrono>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::Json;
using ::testing::HasSubstr;
using Time = ReviewCache::Time;

constexpr char kAudience[] = "sluice.ns.svc.cluster.local";
constexpr Time kNow{std::chrono::seconds(1'800'000'000)};

Json answer(const std::string& user = "system:serviceaccount:team:envoy-web") {
  return {{"kind", "TokenReview"},
          {"status",
           {{"authenticated", true},
            {"audiences", {kAudience}},
            {"user",
             {{"username", user}, {"extra", {{"authentication.kubernetes.io/pod-name", {"pod-1"}}}}}}}}};
}

TEST(ReadReview, SaysWhoseTheTokenIs) {
  EXPECT_EQ(read_review(answer().dump(), kAudience),
            Review(Reviewed{.name_space = "team", .account = "envoy-web", .pod = "pod-1"}));
}

TEST(ReadReview, ATokenThatIsNotAuthenticIsRefused) {
  const Json refused = {{"status", {{"authenticated", false}, {"error", "expired"}}}};
  EXPECT_EQ(read_review(refused.dump(), kAudience),
            Review(std::unexpected(ReviewFault{true, "the API server does not take the token: expired"})));
}

TEST(ReadReview, ATokenForAnotherAudienceIsRefused) {
  EXPECT_EQ(read_review(answer().dump(), "other").error(), (ReviewFault{true, "the token is not for `other`"}));
}

TEST(ReadReview, AServerThatDoesNotLookAtAudiencesIsNotBelieved) {
  Json blind = answer();
  blind["status"].erase("audiences");
  EXPECT_TRUE(read_review(blind.dump(), kAudience).error().is_refused);
}

TEST(ReadReview, AUserIsNoServiceAccount) {
  EXPECT_EQ(read_review(answer("kubernetes-admin").dump(), kAudience).error().message,
            "`kubernetes-admin` is no ServiceAccount");
  EXPECT_TRUE(read_review(answer("system:serviceaccount:x").dump(), kAudience).error().is_refused);
}

TEST(ReadReview, WhatIsNoReviewRefusesNobody) {
  EXPECT_FALSE(read_review("<html>", kAudience).error().is_refused);
}

std::string token_that_ends(std::int64_t at, const std::string& more = "") {
  return "e30." + encode_base64(fmt::format(R"({{"exp": {}}}{})", at, more)) + ".sig";
}

TEST(EndOf, ATokenSaysWhenItEnds) {
  EXPECT_EQ(end_of(token_that_ends(1'800'000'000)), kNow);
  EXPECT_EQ(end_of("e30.e30.sig"), std::nullopt);
  EXPECT_EQ(end_of("opaque"), std::nullopt);
  EXPECT_EQ(end_of("a.!.c"), std::nullopt);
}

// ---- the cache -------------------------------------------------------------------------------

TEST(ReviewCache, CountsUntilShortlyBeforeTheTokenEnds) {
  ReviewCache cache;
  cache.keep("a", Reviewed{}, kNow + 10min, kNow);
  EXPECT_NE(cache.find("a", kNow + 10min - ReviewCache::kLeeway - 1s), nullptr);
  EXPECT_EQ(cache.find("a", kNow + 10min - ReviewCache::kLeeway), nullptr);
}

TEST(ReviewCache, CountsForAnHourAtMost) {
  ReviewCache cache;
  cache.keep("a", Reviewed{}, kNow + 24h, kNow);
  EXPECT_NE(cache.find("a", kNow + 1h - 1s), nullptr);
  EXPECT_EQ(cache.find("a", kNow + 1h), nullptr);
}

TEST(ReviewCache, ARefusalCountsForAMoment) {
  ReviewCache cache;
  cache.keep("a", std::unexpected(ReviewFault{true, "no"}), std::nullopt, kNow);
  EXPECT_NE(cache.find("a", kNow + 9s), nullptr);
  EXPECT_EQ(cache.find("a", kNow + 10s), nullptr);
}

TEST(ReviewCache, AnOutageIsNotKept) {
  ReviewCache cache;
  cache.keep("a", std::unexpected(ReviewFault{false, "no answer"}), std::nullopt, kNow);
  EXPECT_EQ(cache.find("a", kNow), nullptr);
}

TEST(ReviewCache, HasABound) {
  ReviewCache cache;
  for (std::size_t i = 0; i <= ReviewCache::kMost; ++i) {
    cache.keep(fmt::format("{}", i), Reviewed{}, std::nullopt, kNow);
  }
  EXPECT_EQ(cache.size(), ReviewCache::kMost);
  EXPECT_EQ(cache.find("0", kNow), nullptr);
  EXPECT_NE(cache.find("1", kNow), nullptr);
}

// ---- with a server ---------------------------------------------------------------------------

class TokenReviewerTest : public testing::Test {
 protected:
  void answers(const Json& body, int times = -1) {
    server_.fail({.method = "POST", .in_target = "/tokenreviews", .times = times, .body = body.dump()});
  }
  Review review(const std::string& token) {
    reviewer_.review(token, [this](const Review& review) { told_.add(review); });
    return told_.next().value();
  }
  std::size_t asked() const { return server_.requests().size(); }

  ApiServer server_{{}};
  Client client_{local_access(server_.port())};
  Told<Review> told_;
  TokenReviewer reviewer_{client_, kAudience};
};

TEST_F(TokenReviewerTest, AsksTheServerForItsAudience) {
  answers(answer());
  ASSERT_TRUE(review("abc"));
  const Json asked = Json::parse(server_.requests().at(0).body);
  EXPECT_EQ(asked["spec"]["token"], "abc");
  EXPECT_EQ(asked["spec"]["audiences"], Json({kAudience}));
}

TEST_F(TokenReviewerTest, AsksOnceForOneToken) {
  answers(answer());
  ASSERT_TRUE(review("abc"));
  ASSERT_TRUE(review("abc"));
  EXPECT_EQ(asked(), 1);
}

TEST_F(TokenReviewerTest, AsksForEachToken) {
  answers(answer());
  ASSERT_TRUE(review("abc"));
  ASSERT_TRUE(review("abd"));
  EXPECT_EQ(asked(), 2);
}

TEST_F(TokenReviewerTest, AnOutageRefusesNobodyAndIsOver) {
  server_.fail({.method = "POST", .in_target = "/tokenreviews", .times = 1, .status = 500});
  EXPECT_FALSE(review("abc").error().is_refused);
  answers(answer());
  EXPECT_TRUE(review("abc"));
}

TEST_F(TokenReviewerTest, WhoMayNotAskIsToldSo) {
  server_.fail({.method = "POST", .in_target = "/tokenreviews", .status = 403, .reason = "Forbidden"});
  const Review denied = review("abc");
  EXPECT_FALSE(denied.error().is_refused);
  EXPECT_THAT(denied.error().message, HasSubstr("403"));
}

TEST_F(TokenReviewerTest, WhatIsTooLongIsNoToken) {
  EXPECT_TRUE(review(std::string(20'000, 'x')).error().is_refused);
  EXPECT_EQ(asked(), 0);
}

}  // namespace
}  // namespace sluice::kube

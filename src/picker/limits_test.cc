#include "picker/limits.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

Time at(double s) { return Time(Duration(static_cast<std::int64_t>(s * 1e6))); }

Request request(std::string model, std::string fairness_id, std::uint32_t tokens = 1) {
  Request made;
  made.model = std::move(model);
  made.fairness_id = std::move(fairness_id);
  made.prompt_tokens = tokens;
  return made;
}

bool admits(Limits& limits, const Request& request, double s) {
  Limits::Charged charged;
  return limits.take(request, at(s), charged) == Duration(0);
}

TEST(Limits, LetInAsManyRequestsASecondAsTheySay) {
  Limits limits(std::vector<RateLimit>{{.requests_per_second = 2}});
  EXPECT_TRUE(admits(limits, request("m", "anna"), 0));
  EXPECT_TRUE(admits(limits, request("m", "anna"), 0));
  EXPECT_FALSE(admits(limits, request("m", "anna"), 0.1));
  EXPECT_TRUE(admits(limits, request("m", "anna"), 0.6));
  EXPECT_FALSE(admits(limits, request("m", "anna"), 0.7));
}

TEST(Limits, CountEachPairByItself) {
  Limits limits(std::vector<RateLimit>{{.requests_per_second = 1}});
  EXPECT_TRUE(admits(limits, request("m", "anna"), 0));
  EXPECT_TRUE(admits(limits, request("m", "ben"), 0));
  EXPECT_TRUE(admits(limits, request("n", "anna"), 0));
  EXPECT_FALSE(admits(limits, request("m", "anna"), 0));
}

TEST(Limits, AreAboutWhomTheyName) {
  Limits limits(std::vector<RateLimit>{{.model = "m", .fairness_id = "anna", .requests_per_second = 1}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(admits(limits, request("m", "ben"), 0));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(admits(limits, request("n", "anna"), 0));
  EXPECT_TRUE(admits(limits, request("m", "anna"), 0));
  EXPECT_FALSE(admits(limits, request("m", "anna"), 0));
}

TEST(Limits, SayWhenToComeAgain) {
  Limits limits(std::vector<RateLimit>{{.tokens_per_second = 1000}});
  Limits::Charged charged;
  EXPECT_EQ(limits.take(request("m", "a", 1000), at(0), charged), Duration(0));
  charged.clear();
  EXPECT_EQ(limits.take(request("m", "a", 500), at(0), charged), Duration(500'000));
  EXPECT_TRUE(charged.empty());
}

TEST(Limits, ChargeTokensOfTheCompletionToo) {
  Limits limits(std::vector<RateLimit>{{.tokens_per_second = 1000}});
  Limits::Charged charged;
  limits.take(request("m", "a", 100), at(0), charged);
  limits.complete(charged, 2900);  // two seconds of debt
  EXPECT_FALSE(admits(limits, request("m", "a"), 1.9));
  EXPECT_TRUE(admits(limits, request("m", "a"), 2.1));
}

TEST(Limits, GiveBackWhatWasNotUsed) {
  Limits limits(std::vector<RateLimit>{{.requests_per_second = 1, .tokens_per_second = 1000}});
  Limits::Charged charged;
  limits.take(request("m", "a", 900), at(0), charged);
  EXPECT_FALSE(admits(limits, request("m", "a", 900), 0));
  limits.give_back(charged, 900);
  EXPECT_TRUE(admits(limits, request("m", "a", 900), 0));
  EXPECT_FALSE(admits(limits, request("m", "a", 900), 0)) << "and no more than that";
}

TEST(Limits, LetALongPromptInWithAFullBucket) {
  Limits limits(std::vector<RateLimit>{{.tokens_per_second = 1000}});
  EXPECT_TRUE(admits(limits, request("m", "a", 100'000), 0));
  EXPECT_FALSE(admits(limits, request("m", "a"), 98));
  EXPECT_TRUE(admits(limits, request("m", "a"), 100));
}

TEST(Limits, HaveABoundHoweverManyNamesComeBy) {
  Limits limits(std::vector<RateLimit>{{.requests_per_second = 0.001, .burst_seconds = 1000}});
  for (std::size_t i = 0; i < kMaxBuckets + 1000; ++i) admits(limits, request("m", std::to_string(i)), 0);
  EXPECT_LE(limits.buckets(), kMaxBuckets + 1);
  // An hour later those are full again, and make room.
  EXPECT_TRUE(admits(limits, request("m", "new"), 3600));
  EXPECT_LE(limits.buckets(), 2);
}

}  // namespace
}  // namespace sluice::picker

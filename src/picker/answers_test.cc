#include "picker/answers.h"

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

Profile by(std::vector<Score> scores, Choice choice = Choice::kMaxScore) {
  Profile profile;
  profile.serve.choice = choice;
  for (const Score score : scores) profile.serve.scorers.push_back({.by = score});
  profile.admission.queue = false;
  return profile;
}

TEST(Answers, AreReadForTheDefaultProfile) { EXPECT_EQ(needed_answers(default_profile()), Answers::kBodies); }

TEST(Answers, AreReadWhereWorkIsReckoned) {
  EXPECT_EQ(needed_answers(by({}, Choice::kLowestCost)), Answers::kBodies);
  EXPECT_EQ(needed_answers(by({Score::kTokenLoad})), Answers::kBodies);
  EXPECT_EQ(needed_answers(by({Score::kQueue, Score::kActiveRequests})), Answers::kBodies);
}

TEST(Answers, OfScorersOfWhatServersSayAreSeenToBegin) {
  EXPECT_EQ(needed_answers(by({Score::kQueue, Score::kKvUsage, Score::kPrefixCache})), Answers::kHeaders);
  EXPECT_EQ(needed_answers(by({Score::kLoraAffinity})), Answers::kHeaders);
  EXPECT_EQ(needed_answers(by({Score::kSession})), Answers::kHeaders);
}

TEST(Answers, MeanNothingToWhoDoesNotLookAtLoad) {
  EXPECT_EQ(needed_answers(by({}, Choice::kRandom)), Answers::kNone);
  EXPECT_EQ(needed_answers(by({Score::kPrefixCache})), Answers::kNone);
}

TEST(Answers, AreReadWhereRequestsWaitOrTokensCount) {
  Profile waits = by({Score::kPrefixCache});
  waits.admission.queue = true;
  EXPECT_EQ(needed_answers(waits), Answers::kBodies);
  Profile limited = by({Score::kPrefixCache});
  limited.limits.push_back({.requests_per_second = 5});
  EXPECT_EQ(needed_answers(limited), Answers::kNone);
  limited.limits.push_back({.tokens_per_second = 5});
  EXPECT_EQ(needed_answers(limited), Answers::kBodies);
}

TEST(Answers, AreReadIfOneOfTwoStagesNeedsThem) {
  Profile profile = by({Score::kPrefixCache});
  profile.prefill = by({Score::kTokenLoad}).serve;
  EXPECT_EQ(needed_answers(profile), Answers::kBodies);
}

}  // namespace
}  // namespace sluice::picker

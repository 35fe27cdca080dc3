#include "picker/work.h"

#include <random>

#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

TEST(FadingLine, BeginsWithTheGuess) {
  const FadingLine line(0.02, 0.001, 1000, 4, 100);
  EXPECT_DOUBLE_EQ(line.at(0), 0.02);
  EXPECT_DOUBLE_EQ(line.at(500), 0.52);
}

TEST(FadingLine, LearnsAnother) {
  FadingLine line(0.02, 0.001, 1000, 4, 100);
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    const double x = random() % 2000;
    line.add(x, 0.1 + 0.0001 * x + 0.01 * (random() % 3 - 1.0));
  }
  EXPECT_NEAR(line.intercept(), 0.1, 0.01);
  EXPECT_NEAR(line.slope(), 0.0001, 0.00001);
}

TEST(FadingLine, GoesThroughTheMeanOfObservationsOfOneSize) {
  FadingLine line(0.02, 0.001, 1000, 4, 100);
  for (int i = 0; i < 3000; ++i) line.add(100, 0.5);
  EXPECT_NEAR(line.at(100), 0.5, 0.01);
  EXPECT_GE(line.slope(), 0);
}

TEST(FadingLine, IsNeverBelowZero) {
  FadingLine line(0.02, 0.001, 1000, 4, 100);
  for (int i = 0; i < 1000; ++i) line.add(i % 2 == 0 ? 100 : 1000, i % 2 == 0 ? 0 : 1);
  EXPECT_GE(line.intercept(), 0);
  EXPECT_NEAR(line.at(1000), 1, 0.1);
}

TEST(FadingMean, ForgetsTheGuess) {
  FadingMean mean(10, 2, 50);
  EXPECT_EQ(mean.value(), 10);
  for (int i = 0; i < 500; ++i) mean.add(3);
  EXPECT_NEAR(mean.value(), 3, 0.01);
}

TEST(Rendezvous, MovesOnlyWhatWasAtTheMemberThatLeft) {
  const auto home = [](std::uint64_t key, std::uint64_t members) {
    std::uint64_t best = 0;
    for (std::uint64_t member = 1; member < members; ++member) {
      if (rendezvous(key, member) < rendezvous(key, best)) best = member;
    }
    return best;
  };
  std::vector<int> at(8);
  for (std::uint64_t key = 0; key < 8000; ++key) {
    const std::uint64_t before = home(name_hash(std::to_string(key)), 8);
    const std::uint64_t after = home(name_hash(std::to_string(key)), 7);
    ++at[before];
    if (before != 7) {
      EXPECT_EQ(before, after);
    }
  }
  for (const int count : at) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace sluice::picker

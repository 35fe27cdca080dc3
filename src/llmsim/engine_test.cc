#include "llmsim/engine.h"

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::llmsim {
namespace {

using std::chrono::microseconds;
using testing::ElementsAre;

// Costs that can be added up in the head: 1000 a step, 1 a token of a prompt, 10 a sequence.
constexpr Costs kRound{.fixed = 1000, .prefill_token = 1, .decode_sequence = 10};

Config small() {
  return {.costs = kRound, .block_size = 4, .blocks = 100, .max_batched_tokens = 64, .max_sequences = 8};
}

Request request(RequestId id, std::uint32_t prompt, std::uint32_t output,
                std::vector<BlockHash> hashes = {}) {
  return {.id = id, .prompt_tokens = prompt, .output_tokens = output, .prompt = std::move(hashes)};
}

// What happened to each request.
struct Life {
  std::int64_t first = -1;
  std::int64_t end = -1;
  std::uint32_t cached = 0;
  bool operator==(const Life&) const = default;
};
void PrintTo(const Life& life, std::ostream* out) {
  *out << "first " << life.first << ", end " << life.end << ", cached " << life.cached;
}

std::map<RequestId, Life> run(Engine* engine) {
  std::map<RequestId, Life> lives;
  while (engine->step_end() != Engine::kNever) {
    const Time now = engine->step_end();
    Progress progress;
    engine->end_step(&progress);
    for (const auto& [id, cached] : progress.first_tokens) {
      lives[id].first = now.count();
      lives[id].cached = cached;
    }
    for (const RequestId id : progress.finished) lives[id].end = now.count();
  }
  return lives;
}

TEST(Engine, OneRequestTakesItsPromptAndThenAStepAToken) {
  Engine engine(small());
  ASSERT_TRUE(engine.submit(request(1, 10, 3), microseconds(5)));
  EXPECT_EQ(run(&engine), (std::map<RequestId, Life>{{1, {5 + 1010, 5 + 1010 + 2 * 1010}}}));
  EXPECT_EQ(engine.counters().generated_tokens, 3U);
  EXPECT_EQ(engine.free_blocks(), 100U);
}

TEST(Engine, AnIdleOneHasNoStep) {
  Engine engine(small());
  EXPECT_EQ(engine.step_end(), Engine::kNever);
}

TEST(Engine, APromptBeyondTheBudgetIsCutIntoChunks) {
  Engine engine(small());
  ASSERT_TRUE(engine.submit(request(1, 150, 1), microseconds(0)));
  EXPECT_EQ(run(&engine)[1].first, 3 * 1000 + 150);
  EXPECT_EQ(engine.counters().steps, 3U);
}

TEST(Engine, PromptsShareTheBudgetWithTheSequencesThatDecode) {
  Engine engine(small());
  ASSERT_TRUE(engine.submit(request(1, 4, 3), microseconds(0)));
  Progress progress;
  engine.end_step(&progress);  // at 1004; the next step is one token for 1
  ASSERT_TRUE(engine.submit(request(2, 64, 1), microseconds(1100)));
  const auto lives = run(&engine);
  // 1004 + 1010, then one token and 63 of the prompt, then the last of it.
  EXPECT_EQ(lives.at(1).end, 2014 + 1000 + 10 + 63);
  EXPECT_EQ(lives.at(2).first, 3087 + 1000 + 1);
}

TEST(Engine, WithoutRoomForMoreSequencesTheyWaitInOrder) {
  Config config = small();
  config.max_sequences = 1;
  Engine engine(config);
  for (RequestId id = 1; id <= 3; ++id) ASSERT_TRUE(engine.submit(request(id, 4, 1), microseconds(0)));
  EXPECT_EQ(engine.gauges().waiting, 2U);
  EXPECT_EQ(engine.gauges().running, 1U);
  const auto lives = run(&engine);
  EXPECT_EQ(lives.at(1).first, 1004);
  EXPECT_EQ(lives.at(2).first, 2008);
  EXPECT_EQ(lives.at(3).first, 3012);
}

// The second request of each row, after the first is done.
TEST(Engine, TheSecondWithACommonPrefixComputesOnlyTheRest) {
  struct Row {
    std::string what;
    std::vector<BlockHash> first;
    std::vector<BlockHash> second;
    std::uint32_t tokens;
    std::uint32_t cached;
  };
  const std::vector<Row> rows{
      {"nothing in common", {1, 2, 3}, {4, 5, 6}, 12, 0},
      {"two blocks in common", {1, 2, 3}, {1, 2, 6}, 12, 8},
      {"all, but a token has to be computed", {1, 2, 3}, {1, 2, 3}, 12, 8},
      {"all, and a token more", {1, 2, 3}, {1, 2, 3}, 13, 12},
      {"in common only later", {1, 2, 3}, {4, 2, 3}, 12, 0},
  };
  for (const Row& row : rows) {
    Engine engine(small());
    ASSERT_TRUE(engine.submit(request(1, 12, 1, row.first), microseconds(0)));
    run(&engine);
    ASSERT_TRUE(engine.submit(request(2, row.tokens, 1, row.second), microseconds(10'000)));
    const Life life = run(&engine)[2];
    EXPECT_EQ(life.cached, row.cached) << row.what;
    EXPECT_EQ(life.first, 10'000 + 1000 + row.tokens - row.cached) << row.what;
  }
}

TEST(Engine, TwoAtOnceWithACommonPrefixComputeItOnce) {
  Engine engine(small());
  ASSERT_TRUE(engine.submit(request(1, 60, 1, {1, 2, 3}), microseconds(0)));
  ASSERT_TRUE(engine.submit(request(2, 60, 1, {1, 2, 3}), microseconds(0)));
  ASSERT_TRUE(engine.submit(request(3, 60, 1, {1, 2, 3}), microseconds(0)));
  const auto lives = run(&engine);
  EXPECT_EQ(lives.at(1).cached, 0U);
  EXPECT_EQ(lives.at(2).cached, 12U);
  EXPECT_EQ(lives.at(3).cached, 12U);
}

TEST(Engine, TheBlocksUnusedForLongestGoFirstAndThoseAtTheEndBeforeThoseAtTheBeginning) {
  Config config = small();
  config.blocks = 6;
  Engine engine(config);
  ASSERT_TRUE(engine.submit(request(1, 12, 1, {1, 2, 3}), microseconds(0)));
  run(&engine);
  ASSERT_TRUE(engine.submit(request(2, 12, 1, {4, 5, 6}), microseconds(10'000)));
  run(&engine);
  // Needs five blocks: all that was unused for longer, and two of the second's.
  ASSERT_TRUE(engine.submit(request(3, 20, 1), microseconds(20'000)));
  run(&engine);
  EXPECT_EQ(engine.cached_tokens(std::vector<BlockHash>{1, 2, 3}), 0U);
  EXPECT_EQ(engine.cached_tokens(std::vector<BlockHash>{4, 5, 6}), 4U);
}

TEST(Engine, WhereBlocksRunOutTheLastAdmittedWaitsAgain) {
  Config config = small();
  config.blocks = 6;
  Engine engine(config);
  ASSERT_TRUE(engine.submit(request(1, 8, 10), microseconds(0)));  // needs five blocks at its end
  ASSERT_TRUE(engine.submit(request(2, 8, 10), microseconds(0)));
  const auto lives = run(&engine);
  EXPECT_GT(engine.counters().preemptions, 0U);
  EXPECT_LT(lives.at(1).end, lives.at(2).end);
  EXPECT_EQ(engine.counters().generated_tokens, 20U);
  EXPECT_EQ(engine.free_blocks(), 6U);
}

TEST(Engine, WhatCouldNeverBeServedIsRefused) {
  Config config = small();
  config.blocks = 4;
  Engine engine(config);
  EXPECT_TRUE(engine.submit(request(1, 10, 6), microseconds(0)));
  EXPECT_FALSE(engine.submit(request(2, 10, 7), microseconds(0)));
  Request adapted = request(3, 1, 1);
  adapted.adapter = 0;
  EXPECT_FALSE(engine.submit(adapted, microseconds(0)));
}

Request adapted(RequestId id, Adapter adapter, std::uint32_t output) {
  Request made = request(id, 4, output);
  made.adapter = adapter;
  return made;
}

Config two_slots() {
  Config config = small();
  config.adapter_slots = 2;
  config.adapter_load = microseconds(500'000);
  return config;
}

TEST(Engine, AnAdapterIsLoadedOnceAndHoldsUpTheStep) {
  Engine engine(two_slots());
  ASSERT_TRUE(engine.submit(adapted(1, 7, 1), microseconds(0)));
  EXPECT_EQ(run(&engine)[1].first, 501'004);
  ASSERT_TRUE(engine.submit(adapted(2, 7, 1), microseconds(600'000)));
  EXPECT_EQ(run(&engine)[2].first, 601'004);
  EXPECT_EQ(engine.counters().adapter_loads, 1U);
}

TEST(Engine, AThirdAdapterOnTwoSlotsTakesThePlaceOfTheLeastRecentlyUsed) {
  Engine engine(two_slots());
  std::int64_t now = 0;
  for (const Adapter adapter : {0U, 1U, 0U, 2U}) {
    ASSERT_TRUE(engine.submit(adapted(1, adapter, 1), microseconds(now += 1'000'000)));
    run(&engine);
  }
  EXPECT_TRUE(engine.resident(0));
  EXPECT_FALSE(engine.resident(1));
  EXPECT_TRUE(engine.resident(2));
  EXPECT_EQ(engine.counters().adapter_loads, 3U);
}

TEST(Engine, WhileAllSlotsServeOthersAThirdWaitsAndThoseBehindItPass) {
  Engine engine(two_slots());
  ASSERT_TRUE(engine.submit(adapted(1, 0, 20), microseconds(0)));
  ASSERT_TRUE(engine.submit(adapted(2, 1, 20), microseconds(0)));
  ASSERT_TRUE(engine.submit(adapted(3, 2, 1), microseconds(0)));
  ASSERT_TRUE(engine.submit(adapted(4, 1, 1), microseconds(0)));
  Progress progress;
  engine.end_step(&progress);
  const Gauges gauges = engine.gauges();
  EXPECT_THAT(gauges.running_adapters, ElementsAre(0, 1));
  EXPECT_THAT(gauges.waiting_adapters, ElementsAre(2));
  const auto lives = run(&engine);
  EXPECT_LT(lives.at(4).end, lives.at(1).end);
  EXPECT_GT(lives.at(3).first, lives.at(1).end);
}

TEST(Engine, AnAbortedRequestGivesBackAllThatItHad) {
  Engine engine(two_slots());
  ASSERT_TRUE(engine.submit(adapted(1, 0, 20), microseconds(0)));
  ASSERT_TRUE(engine.submit(adapted(2, 1, 20), microseconds(0)));
  ASSERT_TRUE(engine.submit(adapted(3, 2, 20), microseconds(0)));
  Progress progress;
  engine.end_step(&progress);
  for (const RequestId id : {1U, 2U, 3U}) EXPECT_TRUE(engine.abort(id));
  EXPECT_FALSE(engine.abort(1));
  run(&engine);
  EXPECT_EQ(engine.free_blocks(), 100U);
  EXPECT_EQ(engine.context_tokens(), 0U);
  EXPECT_EQ(engine.prefill_backlog(), 0U);
  EXPECT_EQ(engine.running() + engine.waiting() + engine.adapters_running(), 0U);
}

TEST(Engine, GeneratedTokensAreCountedWhileItRuns) {
  Engine engine(small());
  ASSERT_TRUE(engine.submit(request(1, 4, 4), microseconds(0)));
  std::vector<std::uint32_t> seen;
  Progress progress;
  for (auto tokens = engine.generated(1); tokens; tokens = engine.generated(1)) {
    seen.push_back(*tokens);
    engine.end_step(&progress);
  }
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3));
}

TEST(Engine, TheUnloadedFirstTokenIsWhatALoneRequestGets) {
  for (const std::uint32_t tokens : {1U, 63U, 64U, 65U, 300U}) {
    Config config = small();
    config.costs = kLlama8bOnA100;
    Engine engine(config);
    ASSERT_TRUE(engine.submit(request(1, tokens, 1), microseconds(0)));
    // Each step is rounded to a microsecond.
    EXPECT_NEAR(static_cast<double>(run(&engine)[1].first),
                static_cast<double>(unloaded_first_token(config.costs, tokens, 64).count()), 6)
        << tokens;
  }
}

// The sums that are kept up to date, after anything may have happened, are those of a new engine; and all
// requests end.
TEST(Engine, NothingIsLostUnderPressure) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Config config = two_slots();
    config.blocks = 30;
    config.adapter_load = microseconds(1000);
    Engine engine(config);
    std::uint64_t submitted = 0;
    std::uint64_t aborted = 0;
    std::uint64_t tokens = 0;
    Progress progress;
    for (int i = 0; i < 400; ++i) {
      Request one = request(static_cast<RequestId>(i), 1 + random() % 80, 1 + random() % 30);
      one.adapter = random() % 3 == 0 ? kBaseModel : random() % 5;
      for (std::uint32_t b = 0; b < one.prompt_tokens / 4; ++b)
        one.prompt.push_back(random() % 2 == 0 ? b : i * 100 + b);
      const Time now =
          engine.step_end() == Engine::kNever ? microseconds(i * 1'000'000LL) : engine.step_end();
      tokens += one.output_tokens;
      ASSERT_TRUE(engine.submit(one, now));
      ++submitted;
      if (random() % 10 == 0) {
        const RequestId victim = random() % static_cast<std::uint32_t>(i + 1);
        if (engine.abort(victim)) ++aborted;
      }
      if (random() % 3 == 0 && engine.step_end() != Engine::kNever) engine.end_step(&progress);
    }
    while (engine.step_end() != Engine::kNever) engine.end_step(&progress);
    EXPECT_EQ(engine.counters().finished + aborted, submitted) << seed;
    EXPECT_EQ(progress.finished.size(), engine.counters().finished) << seed;
    EXPECT_LE(engine.counters().generated_tokens, tokens) << seed;
    EXPECT_EQ(engine.free_blocks(), 30U) << seed;
    EXPECT_EQ(engine.context_tokens() + engine.prefill_backlog() + engine.running() + engine.waiting() +
                  engine.adapters_running(),
              0U)
        << seed;
  }
}

}  // namespace
}  // namespace sluice::llmsim

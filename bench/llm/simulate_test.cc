#include "llm/simulate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::llmbench {
namespace {

using llmsim::Gauges;
using testing::ElementsAre;

llmsim::Config config() {
  llmsim::Config config;
  config.block_size = kBlockTokens;
  config.blocks = 400;
  config.adapter_slots = 2;
  return config;
}

std::vector<Job> some_jobs(std::size_t count, double rate) {
  std::vector<Job> jobs = Source::adapters().sample(Half::kTuning, 1, rate, 7);
  jobs.resize(count);
  return jobs;
}

struct Maker {
  std::string name;
  MakePolicy make;
};
std::vector<Maker> makers() {
  return {{"random", random_policy},
          {"round robin", round_robin},
          {"least request", least_request},
          {"power of two", power_of_two},
          {"llm-d", [](const Fleet& fleet) { return llmd(fleet, {.lora = 1, .running = 1}); }},
          {"sglang", sglang},
          {"ours", ours},
          {"clairvoyant", clairvoyant}};
}

TEST(Simulate, EachJobEndsOrIsRefusedUnderEachPolicyAlsoFarBeyondTheKnee) {
  for (const double rate : {10.0, 1000.0}) {
    const std::vector<Job> jobs = some_jobs(300, rate);
    for (const auto& [name, make] : makers()) {
      const Outcome outcome = simulate(jobs, {.pods = 3, .config = config()}, make);
      EXPECT_EQ(outcome.finished + outcome.refused, jobs.size()) << name;
    }
  }
}

TEST(Simulate, TheSameSeedGivesTheSameTimesAndAnotherGivesOthers) {
  const std::vector<Job> jobs = some_jobs(300, 30);
  for (const auto& [name, make] : makers()) {
    const auto fingerprint = [&](std::uint64_t seed) {
      return simulate(jobs, {.pods = 3, .config = config(), .seed = seed}, make).fingerprint;
    };
    EXPECT_EQ(fingerprint(1), fingerprint(1)) << name;
  }
  const auto random = [&](std::uint64_t seed) {
    return simulate(jobs, {.pods = 3, .config = config(), .seed = seed}, random_policy).fingerprint;
  };
  EXPECT_NE(random(1), random(2));
}

// Two pods that run 32 requests at once, each some 2.7 s long: some 24 a second. Prompts are short, so that
// it is the batches that are full.
class Overload : public testing::TestWithParam<bool> {
 protected:
  struct Stream {
    int priority;
    double rate;  // a second
    double begin;
    double end;
  };
  static Outcome play(std::span<const Stream> streams) {
    std::vector<Job> jobs;
    for (const Stream& stream : streams) {
      for (double at = stream.begin; at < stream.end; at += 1 / stream.rate) {
        jobs.push_back({.at = Time(std::llround(at * 1e6)),
                        .prompt_tokens = 120,
                        .output_tokens = 128,
                        .priority = stream.priority,
                        .streamed = GetParam(),
                        .chain = {mix(jobs.size(), 1)}});
      }
    }
    std::ranges::stable_sort(jobs, {}, &Job::at);
    llmsim::Config config;
    config.block_size = kBlockTokens;
    config.blocks = 7000;
    config.max_sequences = 32;
    return simulate(jobs, {.pods = 2, .config = config}, ours);
  }
};
INSTANTIATE_TEST_SUITE_P(AnswersAreStreamedOrNot, Overload, testing::Bool());

// Three times what they can do; five seconds after the end nobody waits any more.
TEST_P(Overload, AHigherPriorityIsServedAsIfItWereAloneAndALowerOneIsRefused) {
  const Stream high{1, 15, 0, 70};
  const Stream low{0, 60, 10, 50};
  const Stream afterwards{-1, 5, 57, 70};
  const double alone = play({{high}}).classes.at(1).good;
  std::map<int, Outcome::Class> classes = play({{high, low, afterwards}}).classes;
  EXPECT_GT(alone, 0.99);
  EXPECT_GT(classes[1].good, alone - 0.02);
  EXPECT_EQ(classes[1].refused, 0);
  EXPECT_GT(classes[0].refused, 0.75);
  EXPECT_EQ(classes[-1].good, 1);
}

TEST(Workload, ASampleDependsOnItsSeedAndHalf) {
  const Source source = Source::adapters();
  const auto times = [&](Half half, std::uint64_t seed) {
    std::vector<std::int64_t> all;
    for (const Job& job : source.sample(half, 1, 10, seed)) all.push_back(job.at.count());
    return all;
  };
  EXPECT_EQ(times(Half::kTable, 1), times(Half::kTable, 1));
  EXPECT_NE(times(Half::kTable, 1), times(Half::kTable, 2));
  EXPECT_NE(times(Half::kTable, 1), times(Half::kTuning, 1));
}

TEST(Workload, ATraceThatIsNotThereIsEmpty) {
  EXPECT_TRUE(Source::trace("conversation", "/nowhere").empty());
}

TEST(Bound, AloneOnThePooledServerAStepCostsItsShare) {
  const llmsim::Config one = config();
  const llmsim::Config four = pooled(one, 4);
  EXPECT_EQ(four.blocks, 4 * one.blocks);
  EXPECT_EQ(four.max_batched_tokens, 4 * one.max_batched_tokens);
  EXPECT_DOUBLE_EQ(four.costs.prefill_token * 4, one.costs.prefill_token);
  EXPECT_DOUBLE_EQ(four.costs.fixed, one.costs.fixed);
}

// What llm-d's scorers document:
// pkg/epp/framework/plugins/scheduling/scorer/{queuedepth,kvcacheutilization,prefix, loraaffinity} of
// github.com/llm-d/llm-d-router, with the default weights 2, 2 and 3.

TEST(Llmd, TheShortestQueueScoresOneAndTheLongestNone) {
  struct Row {
    std::vector<std::uint32_t> waiting;
    std::vector<double> scores;
  };
  for (const Row& row :
       std::vector<Row>{{{0, 0, 0}, {1, 1, 1}}, {{4, 4}, {1, 1}}, {{0, 5, 10}, {1, 0.5, 0}}}) {
    std::vector<Gauges> pods;
    for (const std::uint32_t waiting : row.waiting) pods.push_back({.waiting = waiting});
    EXPECT_EQ(queue_scores(pods), row.scores);
  }
}

TEST(Llmd, AnAdaptersScoreIsByItsActivityAndTheFreeSlots) {
  struct Row {
    std::string what;
    std::vector<Adapter> running;
    std::vector<Adapter> waiting;
    double score;
  };
  const std::vector<Row> rows{
      {"active", {3}, {}, 1},          {"active, no slot free", {2, 3}, {}, 1},
      {"a slot free", {2}, {}, 0.8},   {"waiting, no slot free", {1, 2}, {3}, 0.6},
      {"no slot free", {1, 2}, {}, 0}, {"slots taken by those that wait", {1}, {2}, 0}};
  for (const Row& row : rows) {
    EXPECT_EQ(lora_score({.running_adapters = row.running, .waiting_adapters = row.waiting}, 3, 2), row.score)
        << row.what;
  }
}

TEST(Llmd, ThePoolIsSaturatedWhereItsPodsAreOnAverage) {
  struct Row {
    std::vector<Gauges> pods;
    bool saturated;
  };
  const std::vector<Row> rows{{{{.waiting = 5}, {.waiting = 5}}, true},
                              {{{.waiting = 5}, {.waiting = 4}}, false},
                              {{{.waiting = 10}, {.waiting = 0}}, true},
                              {{{.kv_usage = 0.8}, {.kv_usage = 0.8}}, true},
                              {{{.kv_usage = 0.9}, {.kv_usage = 0.6}}, false},
                              {{{.waiting = 1, .kv_usage = 0.9}, {.waiting = 9, .kv_usage = 0.1}}, true}};
  for (const Row& row : rows) EXPECT_EQ(saturated(row.pods), row.saturated);
}

class Decisions : public testing::Test {
 protected:
  // Of three pods with these metrics, which gets the job.
  Pod pick(Policy* policy, const std::vector<Gauges>& pods, const Job& job) {
    for (Pod pod = 0; pod < pods.size(); ++pod) policy->scraped(pod, pods[pod], Time(0));
    return policy->pick(next_++, job, Time(0)).pod;
  }

  std::vector<llmsim::Engine> engines_{llmsim::Engine(config()), llmsim::Engine(config()),
                                       llmsim::Engine(config())};
  Fleet fleet_{.engines = engines_, .config = config()};
  JobId next_ = 0;
};

TEST_F(Decisions, LlmdWeighsQueueKvAndPrefixTwoTwoThree) {
  struct Row {
    std::string what;
    std::vector<Gauges> pods;
    Pod picked;
  };
  // The job's whole prompt was sent to pod 1 before.
  const std::vector<Row> rows{
      {"all equal: the prefix", {{}, {}, {}}, 1},
      {"the prefix (3) outweighs the queue (2)", {{.waiting = 0}, {.waiting = 9}, {.waiting = 9}}, 1},
      {"queue and half the cache outweigh it",
       {{.waiting = 0, .kv_usage = 0.1}, {.waiting = 9, .kv_usage = 0.7}, {.waiting = 9, .kv_usage = 0.7}},
       0},
  };
  for (const Row& row : rows) {
    const auto policy = llmd(fleet_, {});
    const Job job{.prompt_tokens = 128, .chain = {1, 2}};
    EXPECT_EQ(pick(policy.get(), {{.waiting = 1}, {.waiting = 0}, {.waiting = 1}}, job), 1U);
    EXPECT_EQ(pick(policy.get(), row.pods, job), row.picked) << row.what;
  }
}

TEST_F(Decisions, LlmdTakesEqualsInTurn) {
  const auto policy = llmd(fleet_, {});
  std::vector<Pod> picked;
  for (int i = 0; i < 4; ++i) picked.push_back(pick(policy.get(), {{}, {}, {}}, {}));
  EXPECT_THAT(picked, ElementsAre(0, 1, 2, 0));
}

TEST_F(Decisions, LlmdSeesNothingOfWhatItSentSinceTheScrape) {
  const auto policy = llmd(fleet_, {});
  const std::vector<Gauges> pods{{.waiting = 1}, {.waiting = 0}, {.waiting = 1}};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pick(policy.get(), pods, {}), 1U);
}

TEST_F(Decisions, LlmdRefusesOnlyLowPrioritiesWhereThePoolIsSaturated) {
  const auto policy = llmd(fleet_, {});
  const std::vector<Gauges> pods{{.waiting = 9}, {.waiting = 9}, {.waiting = 9}};
  for (Pod pod = 0; pod < 3; ++pod) policy->scraped(pod, pods[pod], Time(0));
  EXPECT_EQ(policy->pick(0, {.priority = -1}, Time(0)).kind, Answer::Kind::kRefused);
  EXPECT_EQ(policy->pick(1, {.priority = 0}, Time(0)).kind, Answer::Kind::kSent);
}

TEST_F(Decisions, LlmdForgetsAPodsOldestBlocks) {
  PrefixTable table(2, 3);
  std::vector<std::uint32_t> blocks;
  table.add(0, std::vector<BlockHash>{1, 2, 3}, 0);
  table.add(1, std::vector<BlockHash>{1}, 0);
  table.match(std::vector<BlockHash>{1, 2, 3, 4}, 0, &blocks);
  EXPECT_THAT(blocks, ElementsAre(3, 1));
  table.add(0, std::vector<BlockHash>{1, 9}, 0);  // 2 goes
  table.match(std::vector<BlockHash>{1, 2, 3}, 0, &blocks);
  EXPECT_THAT(blocks, ElementsAre(1, 1));
}

// sgl-router's policies/cache_aware.rs: threshold 0.3, imbalance beyond 64 requests and a factor of 1.5.
TEST_F(Decisions, SglangFollowsLongPrefixesUnlessThePodsAreOutOfBalance) {
  struct Row {
    std::string what;
    std::uint32_t common;  // of ten blocks
    std::uint32_t open;    // requests on the pod with the prefix
    bool follows;
  };
  const std::vector<Row> rows{{"most in common", 8, 0, true},
                              {"three of ten are not more than 0.3", 3, 0, false},
                              {"four of ten are", 4, 0, true},
                              {"64 more than on another are not too many", 8, 63, true},
                              {"65 are", 8, 64, false}};
  for (const Row& row : rows) {
    const auto policy = sglang(fleet_);
    Job first{.prompt_tokens = 640};
    for (BlockHash i = 0; i < 10; ++i) first.chain.push_back(100 + i);
    const Pod holder = policy->pick(0, first, Time(0)).pod;
    for (std::uint32_t i = 0; i < row.open; ++i) EXPECT_EQ(policy->pick(i + 1, first, Time(0)).pod, holder);
    Job second = first;
    for (BlockHash i = row.common; i < 10; ++i) second.chain[i] = 200 + i;
    EXPECT_EQ(policy->pick(1000, second, Time(0)).pod == holder, row.follows) << row.what;
  }
}

TEST_F(Decisions, LeastRequestTakesThePodWithTheFewestOpen) {
  const auto policy = least_request(fleet_);
  std::vector<std::uint32_t> open(3);
  for (JobId id = 0; id < 9; ++id) ++open[policy->pick(id, {}, Time(0)).pod];
  EXPECT_THAT(open, ElementsAre(3, 3, 3));
  policy->finished(0, {}, 1, Time(0));
  EXPECT_EQ(policy->pick(9, {}, Time(0)).pod, 1U);
}

}  // namespace
}  // namespace sluice::llmbench

#include "picker/cost.h"

#include <cmath>

#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

Time at(double s) { return Time(Duration(static_cast<std::int64_t>(s * 1e6))); }

// The guesses that a model begins with: 20 ms and 8000 tokens a second; half a second for an adapter; a
// request stays four seconds.
struct Case {
  const char* what;
  void (*before)(Pod& pod);
  Job job;
  std::uint32_t cached;
  double wait, load, prefill;
};

// It runs eight at once, as has shown.
void full(Pod& pod) {
  pod.batch_limit.seen(8, 1, 0);
  pod.batch_limit.seen(8, 1, 8);
}

TEST(CostModel, AddsUpWhatStandsBeforeAFirstToken) {
  const Job job{.prompt_tokens = 8000, .output_tokens = 100};
  const Job with_adapter{.adapter = 7, .prompt_tokens = 8000, .output_tokens = 100};
  const Case cases[] = {
      // what                          before   job    cached  wait load prefill
      {"an idle pod", [](Pod&) {}, job, 0, 0, 0, 1.02},
      {"half of it is cached", [](Pod&) {}, job, 4000, 0, 0, 0.52},
      {"all of it is cached", [](Pod&) {}, job, 8000, 0, 0, 0.02},
      {"two prompts are before it, and the first has been at it for 0.6 s",
       [](Pod& pod) {
         pod.first = 0;
         pod.first_sent = at(9.4);
         pod.first_work = std::chrono::seconds(1);
         pod.prefill_work = std::chrono::seconds(3);
       },
       job, 0, 2.4, 0, 1.02},
      {"the first takes longer than thought: a tenth of it is still to come",
       [](Pod& pod) {
         pod.first = 0;
         pod.first_sent = at(5);
         pod.first_work = pod.prefill_work = std::chrono::seconds(1);
       },
       job, 0, 0.1, 0, 1.02},
      {"somebody else's request waits there, of typical length we suppose",
       [](Pod& pod) { pod.foreign_waiting = 1; }, job, 0, 0.02 + 1000.0 / 8000, 0, 1.02},
      {"one of ours waits there that we took for running",
       [](Pod& pod) {
         pod.reserved.running = pod.supposed = 3;
         pod.misjudged = 1;
       },
       job, 0, 0.02 + 1000.0 / 8000, 0, 1.02},
      {"eight run, which are as many as may: one may wait there",
       [](Pod& pod) {
         full(pod);
         pod.reserved.running = 8;
       },
       job, 0, 0, 0, 1.02},
      {"and two wait already: so many of those that run have to end, of which each takes four seconds",
       [](Pod& pod) {
         full(pod);
         pod.reserved.running = 8;
         pod.reserved.waiting = 2;
         pod.prefill_work = std::chrono::milliseconds(300);
       },
       job, 0, 2 * 4.0 / 8, 0, 1.02},
      {"their prompts take longer than that",
       [](Pod& pod) {
         full(pod);
         pod.reserved.running = 8;
         pod.reserved.waiting = 2;
         pod.prefill_work = std::chrono::milliseconds(3000);
       },
       job, 0, 3, 0, 1.02},
      {"the KV cache has no room for 3100 of 5000 tokens: so much has to end first",
       [](Pod& pod) {
         pod.kv_capacity = 10'000;
         pod.reserved.kv_tokens = 5000;
       },
       job, 0, 4.0 * 3100 / 5000, 0, 1.02},
      {"the KV cache is too small for it: all that is there has to end first, and that is all",
       [](Pod& pod) {
         pod.kv_capacity = 5000;
         pod.reserved.kv_tokens = 100;
       },
       job, 0, 4.0, 0, 1.02},
      {"the adapter has a slot", [](Pod& pod) { pod.adapters.begin(7); }, with_adapter, 0, 0, 0, 1.02},
      {"the adapter has to be loaded", [](Pod& pod) { pod.adapters.begin(8); }, with_adapter, 0, 0, 0.5,
       1.02},
      {"both slots are in use",
       [](Pod& pod) {
         pod.adapters.set_slots(2);
         pod.adapters.begin(8);
         pod.adapters.begin(9);
       },
       with_adapter, 0, 4, 0.5, 1.02},
      {"both, by three requests each, the last of which ends later",
       [](Pod& pod) {
         pod.adapters.set_slots(2);
         for (const std::uint64_t adapter : {8, 8, 8, 9, 9, 9}) pod.adapters.begin(adapter);
       },
       with_adapter, 0, 4 * (1 + std::log(3.0)), 0.5, 1.02},
      {"and another waits for one already",
       [](Pod& pod) {
         pod.adapters.set_slots(2);
         for (const std::uint64_t adapter : {8, 9, 10}) pod.adapters.begin(adapter);
       },
       with_adapter, 0, 4, 0.5, 1.02},
  };
  const CostModel model;
  for (const Case& c : cases) {
    Pod pod;
    c.before(pod);
    const Cost cost = model.cost(pod, c.job, c.cached, false, at(10));
    EXPECT_NEAR(cost.wait, c.wait, 1e-9) << c.what;
    EXPECT_NEAR(cost.load, c.load, 1e-9) << c.what;
    EXPECT_NEAR(cost.prefill, c.prefill, 1e-9) << c.what;
    EXPECT_GE(cost.sum(), cost.first_token()) << c.what;
  }
}

TEST(CostModel, CountsWhatItDoesToOthers) {
  const CostModel model;
  const Job job{.prompt_tokens = 8000, .output_tokens = 100};
  Pod idle;
  Pod busy;
  busy.reserved.running = 20;
  busy.reserved.context_tokens = 40'000;
  Pod queue = busy;
  queue.reserved.waiting = 2;
  const Cost alone = model.cost(idle, job, 0, false, at(1));
  const Cost among = model.cost(busy, job, 0, false, at(1));
  EXPECT_EQ(alone.first_token(), among.first_token());
  EXPECT_GT(among.crowd, alone.crowd) << "its tokens come slower, and theirs";
  EXPECT_EQ(among.price, 0) << "its prefill is a longer step for twenty";
  const double price = model.cost(queue, job, 0, false, at(1)).price;
  EXPECT_GT(price, 0) << "it holds up who comes before the next prompt";
  EXPECT_LT(model.cost(queue, job, 8000, false, at(1)).price, price) << "what is cached holds up nobody";
}

// The table in docs/llm.md: where many run, or where few run and a prefill of a quarter of a second is before
// it.
TEST(CostModel, UnderPressureKeepsLongPromptsFromWhereManyRun) {
  struct Row {
    std::uint32_t prompt_tokens;
    bool pressure;
    bool where_many_run;
  };
  const CostModel model;
  Pod few;
  few.reserved.running = 2;
  few.reserved.waiting = 1;
  few.prefill_work = std::chrono::milliseconds(250);
  Pod many;
  many.reserved.running = 20;
  for (const Row& row : {Row{8000, false, true}, {8000, true, false}, {80, false, true}, {80, true, true}}) {
    const Job job{.prompt_tokens = row.prompt_tokens, .output_tokens = 100};
    const double at_many = model.cost(many, job, 0, row.pressure, at(1)).sum();
    const double at_few = model.cost(few, job, 0, row.pressure, at(1)).sum();
    EXPECT_EQ(at_many < at_few, row.where_many_run) << row.prompt_tokens << ", pressure " << row.pressure;
  }
}

TEST(CostModel, LearnsFromResponses) {
  CostModel model;
  Pod pod;
  for (int i = 0; i < 500; ++i) {
    const std::uint32_t tokens = i % 2 == 0 ? 1000 : 5000;
    model.prefilled(pod, tokens, Duration(100'000 + tokens * 50));
    model.loaded(std::chrono::seconds(2));
    model.completed(30);
    model.stayed(std::chrono::seconds(9));
  }
  EXPECT_NEAR(model.prefill_seconds(2000), 0.2, 0.01);
  EXPECT_NEAR(model.load_seconds(), 2, 0.01);
  EXPECT_NEAR(model.stay_seconds(), 9, 0.1);
  EXPECT_EQ(model.output_tokens(0), 30);
  EXPECT_EQ(model.output_tokens(10), 10);
}

TEST(CostModel, KnowsASlowPod) {
  CostModel model;
  Pod fast;
  Pod slow;
  for (int i = 0; i < 500; ++i) {
    model.prefilled(fast, 1000, std::chrono::milliseconds(100));
    model.prefilled(slow, 1000, std::chrono::milliseconds(300));
  }
  const double ratio = model.prefill_seconds(slow, 1000) / model.prefill_seconds(fast, 1000);
  EXPECT_NEAR(ratio, 3, 0.3);
}

}  // namespace
}  // namespace sluice::picker

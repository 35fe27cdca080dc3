#include "llmsim/metrics_page.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::llmsim {
namespace {

using testing::HasSubstr;
using testing::Not;

Config two_slots() {
  Config config;
  config.adapter_slots = 2;
  config.blocks = 100;
  return config;
}

TEST(MetricsPage, SaysWhatTheEngineIsDoing) {
  Engine engine(two_slots());
  MetricsPage page("llama", {"a", "b", "c"});
  for (RequestId id = 0; id < 3; ++id) {
    ASSERT_TRUE(engine.submit(
        {.id = id, .adapter = static_cast<Adapter>(id), .prompt_tokens = 160, .output_tokens = 9}, Time(0)));
  }
  Progress progress;
  engine.end_step(&progress);
  const std::string text = page.page(engine, 1700000001);
  for (const char* line : {
           "\nvllm:num_requests_running{engine=\"0\",model_name=\"llama\"} 2.0\n",
           "\nvllm:num_requests_waiting{engine=\"0\",model_name=\"llama\"} 1.0\n",
           "\nvllm:kv_cache_usage_perc{engine=\"0\",model_name=\"llama\"} 0.2",
           "max_lora=\"2\",running_lora_adapters=\"a,b\",waiting_lora_adapters=\"c\"} 1700000001.0\n",
           "\nvllm:cache_config_info{block_size=\"16\",",
           "num_gpu_blocks=\"100\"",
           "# TYPE vllm:kv_cache_usage_perc gauge\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsPage, ListsOfAdaptersThatWereStayWithTheirTime) {
  Engine engine(two_slots());
  MetricsPage page("llama", {"a"});
  (void)page.page(engine, 1000);
  ASSERT_TRUE(engine.submit({.id = 1, .adapter = 0, .prompt_tokens = 1, .output_tokens = 2}, Time(0)));
  const std::string text = page.page(engine, 1001);
  EXPECT_THAT(text, HasSubstr("running_lora_adapters=\"\",waiting_lora_adapters=\"\"} 1000.0\n"));
  EXPECT_THAT(text, HasSubstr("running_lora_adapters=\"a\",waiting_lora_adapters=\"\"} 1001.0\n"));
}

TEST(MetricsPage, CountsHowOftenAdaptersAreLoaded) {
  Engine engine(two_slots());
  MetricsPage page("llama", {"a", "b"});
  Time now(0);
  const auto serve = [&](RequestId id, Adapter adapter) {
    ASSERT_TRUE(engine.submit({.id = id, .adapter = adapter, .output_tokens = 1}, now));
    Progress progress;
    for (; engine.step_end() != Engine::kNever; engine.end_step(&progress)) now = engine.step_end();
  };
  const std::string line = "\nsluice_vllm_sim_adapter_loads_total{engine=\"0\",model_name=\"llama\"} ";
  EXPECT_THAT(page.page(engine, 1), HasSubstr(line + "0.0\n"));
  serve(1, 0);
  serve(2, 1);
  serve(3, 0);  // it is still there
  EXPECT_THAT(page.page(engine, 2), HasSubstr(line + "2.0\n"));
}

TEST(MetricsPage, WithoutSlotsThereIsNoLineOfAdapters) {
  Engine engine(Config{});
  EXPECT_THAT(MetricsPage("llama", {}).page(engine, 1), Not(HasSubstr("lora")));
}

TEST(MetricsPage, HistogramsAddUp) {
  MetricsPage page("llama", {});
  page.ended({.first_token = 0.3, .whole = 2.3, .prompt_tokens = 7, .generated_tokens = 5, .max_tokens = 5});
  const std::string text = page.page(Engine(Config{}), 1);
  for (const char* line : {
           "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.25\",model_name=\"llama\"} 0.0\n",
           "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.5\",model_name=\"llama\"} 1.0\n",
           "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"+Inf\",model_name=\"llama\"} 1.0\n",
           "vllm:time_to_first_token_seconds_sum{engine=\"0\",model_name=\"llama\"} 0.3\n",
           "vllm:inter_token_latency_seconds_count{engine=\"0\",model_name=\"llama\"} 4.0\n",
           "vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"llama\"} 1.0\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// A real page has 51 KB: whoever scrapes it is to find as much to read.
TEST(MetricsPage, IsAsLongAsARealOne) {
  Engine engine(two_slots());
  MetricsPage page("meta-llama/Llama-3.1-8B-Instruct", {});
  for (const char* handler : {"/v1/completions", "/v1/chat/completions"}) page.answered(handler, 200, 0.1);
  const std::size_t size = page.page(engine, 1).size();
  EXPECT_GT(size, 35'000U);
  EXPECT_LT(size, 65'000U);
}

}  // namespace
}  // namespace sluice::llmsim

#include "picker/metrics_page.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Time kNow{std::chrono::seconds(7)};

struct Result {
  Load load;
  bool found;
};

Result read(std::string_view page, std::size_t chunk = std::string_view::npos,
            const std::vector<Series>& series = default_series()) {
  const SeriesTable table(series);
  MetricsReader reader(table);
  while (!page.empty()) {
    const std::string piece(page.substr(0, chunk));
    page.remove_prefix(piece.size());
    reader.feed(piece);
  }
  Load load = reader.finish(kNow);
  return {.load = load, .found = reader.found()};
}

Load load(std::uint32_t waiting, std::uint32_t running, double usage, std::uint32_t block_size = 0,
          std::uint32_t blocks = 0) {
  return {.taken = kNow,
          .waiting = waiting,
          .running = running,
          .kv_usage = usage,
          .block_size = block_size,
          .blocks = blocks};
}

struct Case {
  std::string name;
  std::string page;
  Load load;
};

class Pages : public testing::TestWithParam<Case> {};

TEST_P(Pages, AreReadWhereverTheyAreCut) {
  const Case& c = GetParam();
  for (const std::size_t chunk :
       {c.page.size() + 1, std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100}}) {
    EXPECT_EQ(read(c.page, chunk).load, c.load) << chunk;
  }
}

const std::string kVllm = R"(# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 8.0
vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:cache_config_info{block_size="16",cache_dtype="auto",num_cpu_blocks="None",num_gpu_blocks="27000"} 1.0
)";

INSTANTIATE_TEST_SUITE_P(
    All, Pages,
    testing::Values(
        Case{"vllm", kVllm, load(3, 8, 0.25, 16, 27000)},
        Case{"older_vllm",
             "vllm:num_requests_waiting{model_name=\"m\"} 1\nvllm:gpu_cache_usage_perc{model_name=\"m\"} "
             "0.5\n",
             load(1, 0, 0.5)},
        Case{"both_names_of_usage",
             "vllm:gpu_cache_usage_perc 0.9\nvllm:kv_cache_usage_perc 0.5\nvllm:num_requests_running 1\n",
             load(0, 1, 0.5)},
        Case{"several_engines",
             "vllm:num_requests_waiting{engine=\"0\"} 2\nvllm:num_requests_waiting{engine=\"1\"} 3\n"
             "vllm:kv_cache_usage_perc{engine=\"0\"} 0.2\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.4\n",
             load(5, 0, (0.2 + 0.4) / 2)},
        Case{
            "sglang",
            "sglang:num_queue_reqs{model_name=\"m\"} 4.0\nsglang:num_running_reqs{model_name=\"m\"} 5.0\n"
            "sglang:token_usage{model_name=\"m\"} 0.125\nsglang:max_total_num_tokens{model_name=\"m\"} 6400\n"
            "sglang:cache_config_info{page_size=\"64\"} 1.0\n",
            load(4, 5, 0.125, 64, 100)},
        Case{"trtllm_serve",
             "trtllm_num_requests_waiting 1\ntrtllm_num_requests_running 2\ntrtllm_kv_cache_utilization 0.5\n"
             "trtllm_kv_cache_tokens_per_block 32\ntrtllm_kv_cache_max_blocks 1000\n",
             load(1, 2, 0.5, 32, 1000)},
        Case{"triton",
             "nv_trt_llm_request_metrics{model=\"t\",request_type=\"waiting\",version=\"1\"} 6\n"
             "nv_trt_llm_request_metrics{model=\"t\",request_type=\"scheduled\",version=\"1\"} 7\n"
             "nv_trt_llm_request_metrics{model=\"t\",request_type=\"max\",version=\"1\"} 512\n"
             "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\",model=\"t\"} 0.75\n"
             "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"tokens_per\",model=\"t\"} 64\n"
             "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"max\",model=\"t\"} 6239\n",
             load(6, 7, 0.75, 64, 6239)},
        Case{"times_and_odd_numbers",
             "vllm:num_requests_waiting 3 1700000000000\nvllm:num_requests_running +2e0\r\n"
             "vllm:kv_cache_usage_perc NaN\n",
             load(3, 2, 0)},
        Case{"numbers_out_of_range",
             "vllm:num_requests_waiting +Inf\nvllm:num_requests_running -3\nvllm:kv_cache_usage_perc 7\n",
             load(0xffffffff, 0, 1)},
        Case{"without_the_last_line_break", "vllm:num_requests_waiting 3", load(3, 0, 0)},
        Case{"braces_in_labels", "vllm:num_requests_waiting{model_name=\"a}\\\"b\"} 3\n", load(3, 0, 0)},
        Case{"lines_that_are_none",
             "vllm:num_requests_waiting\nvllm:num_requests_waiting{ 3\nvllm:num_requests_running x\n\n{}\n",
             load(0, 0, 0)},
        Case{"a_long_line", "x" + std::string(100'000, 'y') + "\nvllm:num_requests_waiting 3\n",
             load(3, 0, 0)}),
    [](const auto& test) { return test.param.name; });

TEST(MetricsReader, TakesTheNewestSeriesOfAdapters) {
  const Load load =
      read(
          R"(vllm:lora_requests_info{max_lora="4",running_lora_adapters="old",waiting_lora_adapters=""} 1.7e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="a, b,a",waiting_lora_adapters="c"} 1.8e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="older",waiting_lora_adapters="x"} 1.6e+09
)")
          .load;
  EXPECT_THAT(load.running_adapters, ElementsAre("a", "b"));
  EXPECT_THAT(load.waiting_adapters, ElementsAre("c"));
  EXPECT_EQ(load.max_adapters, 4U);
}

TEST(MetricsReader, StartsAnewWithEachPage) {
  const SeriesTable table(default_series());
  MetricsReader reader(table);
  reader.feed(
      "vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"a\"} 9\nvllm:num_requests_waiting "
      "3\nv");
  EXPECT_EQ(reader.finish(kNow).waiting, 3U);
  reader.feed("vllm:num_requests_running 1\n");
  EXPECT_EQ(reader.finish(kNow), load(0, 1, 0));
  EXPECT_THAT(reader.finish(kNow).running_adapters, IsEmpty());
}

TEST(MetricsReader, SaysWhetherThePageIsThatOfAModelServer) {
  EXPECT_TRUE(read(kVllm).found);
  EXPECT_FALSE(read("process_open_fds 10\n").found);
}

TEST(MetricsReader, ReadsWhatTheTableSays) {
  const std::vector<Series> series{parse_series("waiting=queue_length{kind=\"llm\"}").value(),
                                   parse_series("blocks=cache_info{tier=gpu}@total").value(),
                                   parse_series("running=r").value()};
  const std::string page =
      "queue_length{kind=\"other\"} 50\nqueue_length{kind=\"llm\"} 5\nr        6\n"
      "cache_info{tier=\"gpu\",total=\"70\"} 1\nvllm:num_requests_running 8\n";
  EXPECT_EQ(read(page, 4096, series).load, load(5, 6, 0, 0, 70));
}

TEST(ParseSeries, SaysWhatIsWrong) {
  for (const auto& [text, message] :
       std::vector<std::pair<std::string, std::string>>{{"queue", "does not begin with"},
                                                        {"length=x", "does not begin with"},
                                                        {"waiting=", "names no metric"},
                                                        {"waiting=a b", "names no metric"},
                                                        {"waiting=a{b}", "no label and value"},
                                                        {"waiting=a{b=c", "no label and value"},
                                                        {"waiting=a{b=c}d", "goes on after the braces"}}) {
    const auto series = parse_series(text);
    ASSERT_FALSE(series.has_value()) << text;
    EXPECT_THAT(series.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace sluice::picker

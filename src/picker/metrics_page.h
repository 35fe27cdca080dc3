// A model server's metrics page (Prometheus' text format), of which a handful of series among some five
// hundred are wanted: how many requests wait and run, how full the KV cache is, which adapters are at work.
//
// Which series say so is a table, a row for each: the value that it gives, the family, perhaps a label that
// chooses among its series, and perhaps a label that has the number instead of the sample. The table of
// default_series() knows vLLM, SGLang, TensorRT-LLM (trtllm-serve) and Triton with TensorRT-LLM; whoever has
// other servers replaces it.
//
// Where several rows of a value have series in a page, the first row counts: new names stand before old ones.
// Several series of one row, as servers with several engines have them, are added up; of the KV cache's usage
// the mean is taken. Of the series about adapters the one with the latest time counts, which is its sample:
// vLLM writes a new series with each change and leaves the old ones there.
//
// Sources: docs.vllm.ai/en/latest/usage/metrics; docs.sglang.ai/references/production_metrics;
// github.com/triton-inference-server/tensorrtllm_backend (metrics); the model server protocol of the
// Inference Extension (docs/proposals/003) and llm-d's names for it;
// prometheus.io/docs/instrumenting/exposition_formats.
//
// Threads: a table may be shared; a reader is a plain value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "picker/endpoint.h"

namespace sluice::picker {

// What a series says.
enum class Quantity : std::uint8_t {
  kWaiting,
  kRunning,
  kKvUsage,    // 0…1
  kBlockSize,  // tokens
  kBlocks,
  kTokens,    // that the KV cache holds: where there is no kBlocks
  kAdapters,  // labels max_lora, running_lora_adapters, waiting_lora_adapters; the sample is a time
};

struct Series {
  Quantity quantity = Quantity::kWaiting;
  std::string family;
  // Only series with this label of this value; empty: all.
  std::string label;
  std::string label_value;
  // The label whose value is the number; empty: the sample is.
  std::string number_label;

  bool operator==(const Series&) const = default;
};

const std::vector<Series>& default_series();

// "waiting=my_queue_length", "running=nv_trt_llm_request_metrics{request_type=scheduled}",
// "block-size=vllm:cache_config_info@block_size". Quantities: waiting, running, kv-usage, block-size, blocks,
// tokens, adapters.
std::expected<Series, Problem> parse_series(std::string_view text);

// Series by their families, to be found quickly.
class SeriesTable {
 public:
  explicit SeriesTable(std::vector<Series> series);

  const std::vector<Series>& series() const { return series_; }

 private:
  friend class MetricsReader;
  // The rows of a family are first_ … first_ + count_ of order_.
  struct Family {
    std::uint64_t begins_with;  // its first eight bytes, or all of a shorter one
    std::uint64_t mask;
    std::string_view name;
    std::size_t first;
    std::size_t count;
  };
  std::vector<Series> series_;
  std::vector<std::size_t> order_;  // of series_, by family
  std::vector<Family> families_;
};

class MetricsReader {
 public:
  // A longer line is passed over. vLLM's series of adapters has some forty bytes for each.
  static constexpr std::size_t kMaxLine = 64 * 1024;

  explicit MetricsReader(const SeriesTable& table);

  // A piece of the page, cut anywhere.
  void feed(std::string_view chunk);
  // After the last piece: what the page says; what it does not say is zero. Then a new page may come.
  Load finish(Time taken);
  // What finish() gave said at least how many requests wait or run: the page is that of a model server.
  bool found() const { return found_; }

 private:
  struct Sum {
    double value = 0;
    std::uint32_t series = 0;
  };

  void line(std::string_view line);
  void sample(const Series& series, std::size_t row, std::string_view labels, double value);
  void adapters(std::string_view labels, double time);
  double sum_of(Quantity quantity, bool mean = false) const;

  const SeriesTable& table_;
  std::vector<Sum> sums_;  // by row
  double adapters_time_ = -std::numeric_limits<double>::infinity();
  Load load_;
  std::string partial_;  // the beginning of a line
  bool too_long_ = false;
  bool found_ = false;
};

}  // namespace sluice::picker

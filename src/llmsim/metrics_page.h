// What a vLLM pod shows at /metrics: names, labels and buckets of vLLM 0.10 (vllm/v1/metrics/loggers.py),
// written as Python's Prometheus client does, with what its web server adds: a page of some 50 KB.
//
// One peculiarity is kept on purpose: vllm:lora_requests_info is a series for each pair of lists that there
// ever was. The one with the greatest value, a time, is what holds now; the others stay as they were.
//
// One series is not vLLM's, and not named as if it were: how often an adapter was loaded, which vLLM does not
// count and which is what routing by adapter saves.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "llmsim/engine.h"

namespace sluice::llmsim {

class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}
  void observe(double value, std::uint64_t times = 1);
  std::span<const double> bounds() const { return bounds_; }
  // Of values up to bounds()[i], alone; the last one: of all others.
  std::span<const std::uint64_t> counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

class MetricsPage {
 public:
  MetricsPage(std::string model, std::vector<std::string> adapters);

  // Of a request that has ended, in seconds; `stopped`: not by its limit of tokens.
  struct Ended {
    double first_token = 0;
    double whole = 0;
    std::uint32_t prompt_tokens = 0;
    std::uint32_t generated_tokens = 0;
    std::uint32_t max_tokens = 0;
    bool stopped = false;
  };
  void ended(const Ended& ended);
  // Counts the answers of the web server: "/v1/completions".
  void answered(const std::string& handler, int status, double seconds);

  // `unix_seconds` is the time now.
  std::string page(const Engine& engine, double unix_seconds);

 private:
  struct Handler {
    std::string name;
    int status = 0;
    std::uint64_t count = 0;
    Histogram seconds;
  };
  struct Lists {
    std::string running;
    std::string waiting;
    double at = 0;
  };

  std::string model_;
  std::vector<std::string> adapters_;
  Histogram first_token_;
  Histogram per_token_;
  Histogram whole_;
  Histogram decode_;
  Histogram prompt_tokens_;
  Histogram generated_tokens_;
  Histogram max_tokens_;
  std::uint64_t stopped_ = 0;
  std::uint64_t limited_ = 0;
  std::vector<Handler> handlers_;
  std::deque<Lists> lists_;
};

}  // namespace sluice::llmsim

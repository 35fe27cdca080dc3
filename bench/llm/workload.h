// What clients ask for: requests with their times, lengths and contents, made again for each seed.
//
// A source is a public trace or a mix drawn from distributions. Of a trace the first half is for tuning, the
// other for the table. A sample takes a stretch of the half from a place that the seed decides, at the wanted
// mean rate: the trace's own gaps, stretched. Where that needs more requests than one stretch has, several
// are laid over each other, as users that have nothing in common.
//
//   conversation, synthetic   Mooncake's traces (github.com/kvcache-ai/Mooncake): lengths, and contents as
//                             ids of blocks of 512 tokens
//   azure-conv, azure-code    Azure's LLM inference traces of 2023 (Splitwise, ISCA '24): lengths only, no
//                             two prompts have anything in common
//   classes                   azure-conv, a fifth of it of priority -1: what a gateway may shed
//   adapters                  48 LoRA adapters by Zipf's law (exponent 1), lengths lognormal
//
// Threads: plain values, and functions of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "llmsim/engine.h"

namespace sluice::llmbench {

using llmsim::Adapter;
using llmsim::BlockHash;
using llmsim::Time;

// Blocks of 64 tokens in all of the bench: what pods are told, and what the pickers see of a prompt.
inline constexpr std::uint32_t kBlockTokens = 64;
inline constexpr std::uint32_t kAdapters = 48;

struct Job {
  Time at{0};
  std::uint32_t prompt_tokens = 1;
  std::uint32_t output_tokens = 1;
  Adapter adapter = llmsim::kBaseModel;
  int priority = 0;
  bool streamed = true;      // else a gateway sees nothing of its answer before the end
  std::uint32_t tenant = 0;  // its adapter, or one of 16
  std::vector<BlockHash> chain;
};

enum class Half : std::uint8_t { kTuning, kTable };

class Source {
 public:
  // The mix of adapters; needs no files.
  static Source adapters();
  // A trace of this name in the folder; empty if it is not there.
  static Source trace(const std::string& name, const std::filesystem::path& folder);

  const std::string& name() const { return name_; }
  bool empty() const { return drawn_ == 0 && rows_.empty(); }
  // Requests of one stretch.
  std::size_t stretch() const;
  // `copies` stretches at `rate` requests a second together, in the order of their times.
  std::vector<Job> sample(Half half, std::size_t copies, double rate, std::uint64_t seed) const;

 private:
  struct Row {
    double at = 0;  // seconds
    std::uint32_t prompt_tokens = 0;
    std::uint32_t output_tokens = 0;
    std::vector<std::uint32_t> ids;  // of blocks of 512 tokens
  };

  Job job(const Row& row, std::uint64_t salt, std::size_t index) const;

  std::string name_;
  std::vector<Row> rows_;
  double quantum_ = 0;     // seconds: times are rounded to this
  double sheddable_ = 0;   // share of the requests of priority -1
  std::size_t drawn_ = 0;  // requests of a stretch of what is drawn
};

// A well mixed function of both.
BlockHash mix(BlockHash before, std::uint64_t next);

}  // namespace sluice::llmbench

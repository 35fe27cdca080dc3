// What the picker knows of a request: which model it is for, what its prompt begins with, how long it is, and
// whose it is.
//
// A prompt is a chain of blocks. Block i is bytes 256·i … 256·i+255 of the prompt's text, and its hash covers
// them and the hash of the block before: equal hashes mean equal prompts up to there. So a pod that has seen
// block i has seen all blocks before it, and what it has of a prompt is one number. Bytes after the last
// whole block have no hash.
//
// Time comes from the caller; the picker has no clock.
//
// Threads: plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::picker {

// Microseconds of a steady clock, or of a simulation. Never goes back.
using Duration = std::chrono::microseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// A double, for arithmetic and reports.
inline double seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

using BlockHash = std::uint64_t;

// The Inference Extension's prefix plugin takes four bytes for a token, and blocks of 64 tokens.
inline constexpr std::size_t kBytesPerToken = 4;
inline constexpr std::size_t kBlockTokens = 64;
inline constexpr std::size_t kBlockBytes = kBlockTokens * kBytesPerToken;
// Half a million tokens: what comes after has no hash, so that a request costs at most 64 KB.
inline constexpr std::size_t kMaxBlocks = 8192;

// A prompt's chain, while its text arrives in pieces of any size.
class PromptChain {
 public:
  void add(std::string_view text);

  const std::vector<BlockHash>& blocks() const { return blocks_; }
  std::vector<BlockHash> take() { return std::move(blocks_); }
  // Of all text, also that without hashes.
  std::size_t bytes() const { return bytes_; }
  std::uint32_t tokens() const { return static_cast<std::uint32_t>(bytes_ / kBytesPerToken + 1); }

 private:
  void hash(const char* block);

  std::vector<BlockHash> blocks_;
  std::string partial_;  // less than a block
  std::size_t bytes_ = 0;
};

struct Request {
  std::string model;         // as the client says
  std::string target_model;  // what the server is asked for; empty: `model`
  std::string adapter;       // the LoRA adapter among them; empty: the base model
  std::vector<BlockHash> prompt;
  std::uint32_t prompt_tokens = 0;      // an estimate: bytes / 4
  std::uint32_t max_output_tokens = 0;  // 0: unknown
  int priority = 0;                     // higher first; below zero may be shed
  std::string fairness_id;              // whose flow it is
  // Whether the response begins with its first token; otherwise its beginning says nothing of the prefill.
  bool streamed = true;
  std::string session;  // the address that served this session before; empty: none
  // The addresses that the gateway lets us choose from; absent: all.
  std::optional<std::vector<std::string>> subset;
  // Until when its first token is wanted, from its arrival; zero: what the profile says (Admission).
  Duration objective{0};
};

}  // namespace sluice::picker

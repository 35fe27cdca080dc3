// How many requests a server runs at once at most (vLLM's max_num_seqs): no metric says it, but it shows.
// Where that many run, each that ends makes room for one that waits: so as many run from one scrape to the
// next while others wait and a whole batch of them ends. Where something else keeps requests waiting
// (prefills, the KV cache, slots for adapters), how many run goes up and down.
//
// What is exceeded once was no limit, or is none any more.
//
// Threads: as the Picker.
#pragma once

#include <cstdint>

namespace sluice::picker {

class BatchLimit {
 public:
  // What a scrape said, and how many have ended there since the one before.
  void seen(std::uint32_t running, std::uint32_t waiting, std::uint32_t ended);
  std::uint32_t value() const { return limit_; }  // 0: there is none, or it has not shown

 private:
  std::uint32_t limit_ = 0;
  // Of the scrapes in a row in which requests waited and as many ran.
  std::uint32_t most_ = 0;
  std::uint32_t least_ = 0;
  std::uint32_t ended_ = 0;
};

}  // namespace sluice::picker

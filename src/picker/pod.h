// What the picker knows of one endpoint: what it said at the last scrape, what we sent since, what it holds.
//
// Threads: as the Picker.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "picker/adapters.h"
#include "picker/batch_limit.h"
#include "picker/endpoint.h"
#include "picker/picker.h"
#include "picker/work.h"

namespace sluice::picker {

inline constexpr std::uint32_t kNoIndex = ~std::uint32_t{0};

// About as long as a request takes: that is what its tokens' mean time is taken over.
inline constexpr Duration kDutyWindow = std::chrono::seconds(8);

struct Pod {
  Endpoint endpoint;
  std::uint64_t key = 0;    // of its address, for rendezvous hashing
  std::uint32_t epoch = 0;  // of its slot: tickets of an endpoint that is gone do not touch the next
  bool there = false;
  bool lost = false;

  // The last scrape, and what of it was not ours.
  bool observed = false;
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;
  double kv_usage = 0;
  std::uint64_t kv_capacity = 0;  // tokens; 0: unknown
  std::vector<std::uint64_t> running_adapters;
  std::vector<std::uint64_t> waiting_adapters;
  Reserved at_scrape;
  std::uint32_t foreign_waiting = 0;
  std::uint32_t foreign_running = 0;
  // Of ours that we took for running when it said that they wait.
  std::uint32_t misjudged = 0;

  // How many it runs at once, and what shows it: how many of ours ended since the last scrape.
  BatchLimit batch_limit;
  std::uint32_t ended = 0;
  Time slot_freed{};  // when one ended while the batch was full

  // What we sent. The requests without a first token are a list in the order in which they were sent. Of
  // those that run, so many do because we suppose it: their answers are not streamed.
  Reserved reserved;
  std::uint32_t supposed = 0;
  Duration prefill_work{0};  // of those
  std::uint32_t first = kNoIndex;
  std::uint32_t last = kNoIndex;
  Time first_sent{};  // when the first of them was sent, and what it takes
  Duration first_work{0};
  Time prefilled{};  // when the last first token was out

  // Prefill that was sent, in seconds, fading by a factor of e in kDutyWindow; and as of when.
  double recent_prefill = 0;
  Time recent_at{};

  AdapterSlots adapters;
  // How much longer its prefills take than those of all: a mixed pool.
  FadingMean slowness{1, 1, 50};

  std::uint32_t queue_length() const { return foreign_waiting + reserved.waiting + still_misjudged(); }
  std::uint32_t batch() const { return foreign_running + reserved.running - still_misjudged(); }
  bool batch_full() const { return batch_limit.value() != 0 && batch() >= batch_limit.value(); }
  // Tokens in its KV cache; more than it has room for if some must wait. The scrape knows what running
  // requests share, but not what its queue will need; we know that, and what we sent since.
  double kv_held() const;
  double kv_used() const;  // the same as a share of the cache, 0…1
  // The share of its time, 0…1, that goes into prefills of late.
  double duty(Time now) const;
  void add_duty(Duration prefill, Time now);

 private:
  std::uint32_t still_misjudged() const { return std::min(misjudged, supposed); }
};

}  // namespace sluice::picker

// A model of one vLLM pod: what it would do with requests, and when, without a GPU.
//
// An engine works in steps. In each, every running request that has its prompt behind it gets one token, and
// what is left of the budget of tokens goes to prompts: first those that have begun, then waiting ones, first
// come first served. The step takes as long as Costs say; its tokens are there at its end. Blocks of the KV
// cache are taken as tokens need them; where none is left, the request that was admitted last gives up all of
// its own and waits again, before all others. Whole blocks of prompts can be found again by their hashes, and
// need not be computed then.
//
// Adapters live in slots. A request whose adapter has none waits, and those behind it may pass, while all
// slots serve running requests; else the adapter unused for longest makes room. Loading holds up the whole
// step, as it does in vLLM, whose workers load between two steps.
//
// The model follows vLLM's V1 scheduler (vllm/v1/core/sched/scheduler.py) with chunked prefill and prefix
// caching. What is not modelled: blocks of generated tokens are not found again, encoders, speculation,
// several ranks, priorities.
//
// The clock is the caller's: submit() and end_step() are told nothing but times that never go back. A step
// costs constant time but for what begins or ends in it, so that millions a second can be simulated.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "llmsim/block_pool.h"
#include "llmsim/costs.h"

namespace sluice::llmsim {

struct Config {
  Costs costs = kLlama8bOnA100;
  std::uint32_t block_size = 16;  // tokens
  std::uint32_t blocks = kLlama8bBlocksOnA100;
  // vLLM's defaults for a server on an A100.
  std::uint32_t max_batched_tokens = 2048;
  std::uint32_t max_sequences = 256;
  std::uint32_t adapter_slots = 0;  // --max-loras; 0: adapters are unknown
  Time adapter_load{500'000};
};

using RequestId = std::uint64_t;
using Adapter = std::uint32_t;
inline constexpr Adapter kBaseModel = ~Adapter{0};

struct Request {
  RequestId id = 0;
  Adapter adapter = kBaseModel;
  std::uint32_t prompt_tokens = 1;  // at least 1
  std::uint32_t output_tokens = 1;  // how many it will generate, at least 1
  // Of the whole blocks of the prompt: at most prompt_tokens / block_size.
  std::vector<BlockHash> prompt;
};

// What the end of a step brought.
struct Progress {
  struct FirstToken {
    RequestId id;
    std::uint32_t cached_tokens;  // of the prompt, that needed no computing
  };
  std::vector<FirstToken> first_tokens;
  std::vector<RequestId> finished;  // with their last token; of one token: in both
};

// As the pages of metrics have them.
struct Gauges {
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;
  double kv_usage = 0;                    // 0..1; blocks that can be found but are not used are free
  std::vector<Adapter> running_adapters;  // ascending
  std::vector<Adapter> waiting_adapters;
};

// Since the beginning.
struct Counters {
  std::uint64_t steps = 0;
  std::uint64_t prompt_tokens = 0;  // of requests that have been admitted
  std::uint64_t cached_tokens = 0;  // of these, found in the cache
  std::uint64_t generated_tokens = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t adapter_loads = 0;
  std::uint64_t finished = 0;
};

class Engine {
 public:
  static constexpr Time kNever = Time::max();

  explicit Engine(const Config& config);
  const Config& config() const { return config_; }

  // False, and nothing is done, if the engine could never serve it: too long for the cache, or an adapter
  // where there are no slots. Where no step is under way, one begins now.
  bool submit(Request request, Time now);
  // The client is gone. False if there is no such request.
  bool abort(RequestId id);

  // When the step under way ends, or kNever.
  Time step_end() const { return step_end_; }
  // Ends the step under way, at step_end(), and begins the next one if there is anything to do. Appends to
  // *progress.
  void end_step(Progress* progress);

  // Tokens generated so far; nothing if there is no such request any more.
  std::optional<std::uint32_t> generated(RequestId id) const;

  Gauges gauges() const;
  const Counters& counters() const { return counters_; }
  std::uint32_t waiting() const { return waiting_; }
  std::uint32_t running() const { return static_cast<std::uint32_t>(running_.size()); }
  std::uint32_t decoding() const { return decoding_; }

  // What only whoever sees into the pod can know.
  std::uint32_t cached_tokens(std::span<const BlockHash> prompt) const;
  bool resident(Adapter adapter) const;
  std::uint32_t adapters_running() const { return adapters_running_; }
  // Tokens of admitted and waiting prompts that are still to be computed, as if nothing of the waiting ones
  // was cached.
  std::uint64_t prefill_backlog() const { return prefill_backlog_; }
  std::uint64_t context_tokens() const { return context_tokens_; }  // of sequences that decode
  std::uint32_t free_blocks() const { return pool_.free(); }

 private:
  using Slot = std::uint32_t;
  enum class State : std::uint8_t { kWaiting, kPrefill, kDecode };
  struct Sequence {
    Request request;
    State state = State::kWaiting;
    std::uint32_t generated = 0;  // of a sequence that decodes: when it began to
    std::uint32_t target = 0;     // tokens to compute before the next one is generated
    std::uint32_t computed = 0;
    std::uint32_t chunk = 0;  // of the step under way
    std::uint32_t cached = 0;
    std::uint64_t decodes_since = 0;  // counters_.steps
    std::uint32_t epoch = 0;          // of the entries in endings_
    std::vector<BlockId> blocks;
  };
  struct Queued {
    std::int64_t order;
    Slot slot;
  };
  struct Ending {
    std::uint64_t step;
    Slot slot;
    std::uint32_t epoch;
    bool operator>(const Ending& other) const {
      return step != other.step ? step > other.step : slot > other.slot;
    }
  };
  struct AdapterState {
    std::deque<Queued> queue;
    std::uint32_t running = 0;
    bool resident = false;
    std::uint64_t last_used = 0;  // counters_.steps
  };

  AdapterState& adapter_state(Adapter adapter) { return adapters_[adapter == kBaseModel ? 0 : adapter + 1]; }

  void begin_step(Time now);
  void admit(std::uint32_t* budget, double* cost);
  bool admit_one(Slot slot, std::uint32_t* budget, double* cost);
  AdapterState* next_queue();
  void load(Adapter adapter, double* cost);
  // Makes room for so many blocks beyond those that are free, at the cost of later requests; false if `slot`
  // itself had to go.
  bool make_room(std::uint32_t blocks, Slot slot);
  void schedule_chunk(Sequence& sequence, std::uint32_t* budget, double* cost);
  void preempt(Slot slot);
  void begin_decoding(Slot slot);
  void stop_decoding(Slot slot);
  void leave(Slot slot);
  std::uint32_t context(const Sequence& sequence) const;
  std::vector<Slot>& crossing(const Sequence& sequence);

  Config config_;
  BlockPool pool_;
  std::vector<Sequence> sequences_;
  std::vector<Slot> unused_slots_;
  absl::flat_hash_map<RequestId, Slot> slots_;

  std::vector<AdapterState> adapters_;  // 0: the base model
  std::uint32_t residents_ = 0;
  std::uint32_t adapters_running_ = 0;
  std::int64_t last_order_ = 0;
  std::int64_t first_order_ = 0;

  std::vector<Slot> running_;   // in the order of admission
  std::vector<Slot> prefills_;  // those of them that do not decode yet
  // Sequences that decode, by the step (modulo the block size) in which they need another block.
  std::vector<std::vector<Slot>> crossings_;
  std::vector<Slot> crossing_now_;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings_;

  std::uint32_t waiting_ = 0;
  std::uint32_t decoding_ = 0;
  std::uint64_t context_tokens_ = 0;
  std::uint64_t prefill_backlog_ = 0;
  bool preempted_ = false;  // in the step that begins
  Time step_end_ = kNever;
  Counters counters_;
};

}  // namespace sluice::llmsim

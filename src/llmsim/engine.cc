#include "llmsim/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::llmsim {
namespace {

std::uint32_t blocks_of(std::uint64_t tokens, std::uint32_t block_size) {
  return static_cast<std::uint32_t>((tokens + block_size - 1) / block_size);
}

}  // namespace

Engine::Engine(const Config& config)
    : config_(config), pool_(config.blocks), adapters_(1), crossings_(config.block_size) {}

bool Engine::submit(Request request, Time now) {
  const bool adapted = request.adapter != kBaseModel;
  if (adapted && config_.adapter_slots == 0) return false;
  const std::uint64_t tokens = std::uint64_t{request.prompt_tokens} + request.output_tokens;
  if (blocks_of(tokens, config_.block_size) > pool_.size()) return false;

  Slot slot = 0;
  if (unused_slots_.empty()) {
    slot = static_cast<Slot>(sequences_.size());
    sequences_.emplace_back();
  } else {
    slot = unused_slots_.back();
    unused_slots_.pop_back();
  }
  Sequence& sequence = sequences_[slot];
  sequence.state = State::kWaiting;
  sequence.generated = sequence.computed = sequence.cached = sequence.chunk = 0;
  sequence.target = request.prompt_tokens;
  sequence.request = std::move(request);
  slots_[sequence.request.id] = slot;
  if (adapted && sequence.request.adapter + 2 > adapters_.size())
    adapters_.resize(sequence.request.adapter + 2);
  adapter_state(sequence.request.adapter).queue.push_back({++last_order_, slot});
  ++waiting_;
  prefill_backlog_ += sequence.target;
  if (step_end_ == kNever) begin_step(now);
  return true;
}

bool Engine::abort(RequestId id) {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return false;
  const Slot slot = found->second;
  Sequence& sequence = sequences_[slot];
  if (sequence.state == State::kWaiting) {
    auto& queue = adapter_state(sequence.request.adapter).queue;
    std::erase_if(queue, [&](const Queued& queued) { return queued.slot == slot; });
    --waiting_;
    prefill_backlog_ -= sequence.target;
    slots_.erase(found);
    unused_slots_.push_back(slot);
    return true;
  }
  if (sequence.state == State::kPrefill) {
    prefill_backlog_ -= sequence.target - sequence.computed;
    std::erase(prefills_, slot);
  } else {
    stop_decoding(slot);
  }
  leave(slot);
  slots_.erase(id);
  unused_slots_.push_back(slot);
  return true;
}

// Of a sequence that decodes: the tokens in the cache before the step that is under way, or that begins.
std::uint32_t Engine::context(const Sequence& sequence) const {
  return sequence.computed + static_cast<std::uint32_t>(counters_.steps - sequence.decodes_since);
}

std::vector<Engine::Slot>& Engine::crossing(const Sequence& sequence) {
  const std::uint64_t size = config_.block_size;
  return crossings_[(sequence.decodes_since % size + size - sequence.computed % size) % size];
}

void Engine::begin_decoding(Slot slot) {
  Sequence& sequence = sequences_[slot];
  sequence.state = State::kDecode;
  sequence.decodes_since = counters_.steps;
  crossing(sequence).push_back(slot);
  ++decoding_;
  context_tokens_ += sequence.computed;
  const std::uint32_t left = sequence.request.output_tokens - sequence.generated;
  endings_.push({counters_.steps + left, slot, ++sequence.epoch});
}

void Engine::stop_decoding(Slot slot) {
  Sequence& sequence = sequences_[slot];
  std::erase(crossing(sequence), slot);
  --decoding_;
  context_tokens_ -= context(sequence);
  sequence.generated += static_cast<std::uint32_t>(counters_.steps - sequence.decodes_since);
  ++sequence.epoch;
}

// It runs no longer: its blocks and its part in its adapter's slot are free.
void Engine::leave(Slot slot) {
  Sequence& sequence = sequences_[slot];
  pool_.release(sequence.blocks);
  sequence.blocks.clear();
  std::erase(running_, slot);
  AdapterState& state = adapter_state(sequence.request.adapter);
  state.last_used = counters_.steps;
  if (--state.running == 0 && sequence.request.adapter != kBaseModel) --adapters_running_;
}

void Engine::preempt(Slot slot) {
  Sequence& sequence = sequences_[slot];
  if (sequence.state == State::kPrefill) {
    prefill_backlog_ -= sequence.target - sequence.computed;
    std::erase(prefills_, slot);
  } else {
    stop_decoding(slot);
  }
  leave(slot);
  sequence.state = State::kWaiting;
  sequence.target = sequence.request.prompt_tokens + sequence.generated;
  sequence.computed = sequence.chunk = 0;
  prefill_backlog_ += sequence.target;
  adapter_state(sequence.request.adapter).queue.push_front({--first_order_, slot});
  ++waiting_;
  ++counters_.preemptions;
  preempted_ = true;
}

bool Engine::make_room(std::uint32_t blocks, Slot slot) {
  while (pool_.free() < blocks) {
    const Slot victim = running_.back();
    preempt(victim);
    if (victim == slot) return false;
  }
  return true;
}

// Takes the blocks of the sequence's next chunk, which are there, and names those that it fills.
void Engine::schedule_chunk(Sequence& sequence, std::uint32_t* budget, double* cost) {
  const std::uint32_t start = sequence.computed;
  const std::uint32_t chunk = std::min(*budget, sequence.target - start);
  const std::uint32_t blocks = blocks_of(start + chunk, config_.block_size);
  while (sequence.blocks.size() < blocks) sequence.blocks.push_back(pool_.take());
  const std::size_t full =
      std::min<std::size_t>((start + chunk) / config_.block_size, sequence.request.prompt.size());
  for (std::size_t i = start / config_.block_size; i < full; ++i) {
    pool_.name(sequence.blocks[i], sequence.request.prompt[i]);
  }
  sequence.chunk = chunk;
  *budget -= chunk;
  *cost += config_.costs.prefill_token * chunk + config_.costs.context_token * start +
           config_.costs.attention * chunk * (start + chunk / 2.0);
}

// The queue whose first request has waited longest, of those that may be admitted.
Engine::AdapterState* Engine::next_queue() {
  AdapterState* best = nullptr;
  const bool full = adapters_running_ >= config_.adapter_slots;
  for (AdapterState& state : adapters_) {
    if (state.queue.empty()) continue;
    if (full && &state != adapters_.data() && state.running == 0) continue;
    if (best == nullptr || state.queue.front().order < best->queue.front().order) best = &state;
  }
  return best;
}

void Engine::load(Adapter adapter, double* cost) {
  AdapterState& wanted = adapter_state(adapter);
  if (wanted.resident) return;
  if (residents_ == config_.adapter_slots) {
    AdapterState* oldest = nullptr;
    for (AdapterState& state : adapters_) {
      if (!state.resident || state.running != 0) continue;
      if (oldest == nullptr || state.last_used < oldest->last_used) oldest = &state;
    }
    oldest->resident = false;
    --residents_;
  }
  wanted.resident = true;
  ++residents_;
  ++counters_.adapter_loads;
  *cost += static_cast<double>(config_.adapter_load.count());
}

// False if there is no room for it now.
bool Engine::admit_one(Slot slot, std::uint32_t* budget, double* cost) {
  Sequence& sequence = sequences_[slot];
  const std::span<const BlockHash> prompt = sequence.request.prompt;
  std::size_t hits = pool_.match(prompt);
  // At least one token has to be computed, for the next one comes out of that.
  if (hits * config_.block_size >= sequence.target) hits = (sequence.target - 1) / config_.block_size;
  const auto cached = static_cast<std::uint32_t>(hits * config_.block_size);
  const std::uint32_t chunk = std::min(*budget, sequence.target - cached);
  const std::uint32_t needed =
      blocks_of(cached + chunk, config_.block_size) - static_cast<std::uint32_t>(hits);
  if (needed + pool_.unused(prompt, hits) > pool_.free()) return false;

  for (const BlockHash hash : prompt.first(hits)) sequence.blocks.push_back(pool_.share(hash));
  sequence.computed = cached;
  if (sequence.generated == 0) {
    sequence.cached = cached;
    counters_.prompt_tokens += sequence.request.prompt_tokens;
    counters_.cached_tokens += cached;
  }
  prefill_backlog_ -= cached;
  const Adapter adapter = sequence.request.adapter;
  if (adapter != kBaseModel) load(adapter, cost);
  if (adapter_state(adapter).running++ == 0 && adapter != kBaseModel) ++adapters_running_;
  sequence.state = State::kPrefill;
  running_.push_back(slot);
  prefills_.push_back(slot);
  --waiting_;
  schedule_chunk(sequence, budget, cost);
  return true;
}

void Engine::admit(std::uint32_t* budget, double* cost) {
  while (*budget > 0 && waiting_ > 0 && running_.size() < config_.max_sequences) {
    AdapterState* state = next_queue();
    if (state == nullptr) return;
    const Slot slot = state->queue.front().slot;
    if (!admit_one(slot, budget, cost)) return;
    state->queue.pop_front();
  }
}

void Engine::begin_step(Time now) {
  preempted_ = false;
  double cost = config_.costs.fixed;
  // A copy, for making room may take some of them out of the list.
  crossing_now_ = crossings_[counters_.steps % config_.block_size];
  for (const Slot slot : crossing_now_) {
    if (sequences_[slot].state != State::kDecode) continue;
    if (make_room(1, slot)) sequences_[slot].blocks.push_back(pool_.take());
  }

  std::uint32_t budget = config_.max_batched_tokens - std::min(decoding_, config_.max_batched_tokens);
  for (std::size_t i = 0; i < prefills_.size() && budget > 0;) {
    const Slot slot = prefills_[i];
    Sequence& sequence = sequences_[slot];
    const std::uint32_t chunk = std::min(budget, sequence.target - sequence.computed);
    const std::uint32_t needed = blocks_of(sequence.computed + chunk, config_.block_size) -
                                 static_cast<std::uint32_t>(sequence.blocks.size());
    // Those that have to go come after it: it is the last of them if it goes itself.
    if (!make_room(needed, slot)) continue;
    schedule_chunk(sequence, &budget, &cost);
    ++i;
  }
  if (!preempted_) admit(&budget, &cost);

  if (running_.empty()) {
    // Only where preemption emptied it; then there is room for the first that waits.
    if (waiting_ > 0 && preempted_) begin_step(now);
    return;
  }
  cost += config_.costs.decode_sequence * decoding_ +
          config_.costs.context_token * static_cast<double>(context_tokens_);
  step_end_ = now + Time(std::llround(cost));
}

void Engine::end_step(Progress* progress) {
  const Time now = step_end_;
  step_end_ = kNever;
  ++counters_.steps;
  counters_.generated_tokens += decoding_;
  context_tokens_ += decoding_;

  const auto finish = [&](Slot slot) {
    const RequestId id = sequences_[slot].request.id;
    leave(slot);
    slots_.erase(id);
    unused_slots_.push_back(slot);
    ++counters_.finished;
    progress->finished.push_back(id);
  };
  while (!endings_.empty() && endings_.top().step <= counters_.steps) {
    const Ending ending = endings_.top();
    endings_.pop();
    if (sequences_[ending.slot].epoch != ending.epoch) continue;
    stop_decoding(ending.slot);
    finish(ending.slot);
  }

  std::size_t kept = 0;
  for (const Slot slot : prefills_) {
    Sequence& sequence = sequences_[slot];
    sequence.computed += sequence.chunk;
    prefill_backlog_ -= sequence.chunk;
    sequence.chunk = 0;
    if (sequence.computed < sequence.target) {
      prefills_[kept++] = slot;
      continue;
    }
    ++counters_.generated_tokens;
    if (sequence.generated++ == 0) progress->first_tokens.push_back({sequence.request.id, sequence.cached});
    if (sequence.generated == sequence.request.output_tokens) {
      finish(slot);
    } else {
      begin_decoding(slot);
    }
  }
  prefills_.resize(kept);
  begin_step(now);
}

std::optional<std::uint32_t> Engine::generated(RequestId id) const {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return std::nullopt;
  const Sequence& sequence = sequences_[found->second];
  if (sequence.state != State::kDecode) return sequence.generated;
  return sequence.generated + static_cast<std::uint32_t>(counters_.steps - sequence.decodes_since);
}

Gauges Engine::gauges() const {
  Gauges gauges{.waiting = waiting_,
                .running = running(),
                .kv_usage = pool_.size() == 0 ? 0 : 1.0 - static_cast<double>(pool_.free()) / pool_.size()};
  for (std::size_t i = 1; i < adapters_.size(); ++i) {
    const auto adapter = static_cast<Adapter>(i - 1);
    if (adapters_[i].running > 0) gauges.running_adapters.push_back(adapter);
    if (!adapters_[i].queue.empty()) gauges.waiting_adapters.push_back(adapter);
  }
  return gauges;
}

std::uint32_t Engine::cached_tokens(std::span<const BlockHash> prompt) const {
  return static_cast<std::uint32_t>(pool_.match(prompt) * config_.block_size);
}

bool Engine::resident(Adapter adapter) const {
  const std::size_t i = adapter == kBaseModel ? 0 : std::size_t{adapter} + 1;
  return i == 0 || (i < adapters_.size() && adapters_[i].resident);
}

}  // namespace sluice::llmsim

#include "control/modules.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::control {

Modules::Modules(Pipeline& pipeline, OpenStore open) : pipeline_(pipeline), open_store_(std::move(open)) {
  pipeline_.set_modules(
      [this](const std::string& slot, const wasm::Source& source) { return resolve(slot, source); });
}

bool Modules::open() {
  if (store_ == nullptr && !retry_at_) try_to_open(Clock::now());
  return store_ != nullptr;
}

void Modules::try_to_open(Clock::time_point now) {
  auto opened = open_store_();
  retry_at_.reset();
  if (opened) {
    store_ = *std::move(opened);
    return;
  }
  delay_ = std::clamp(2 * delay_, kFirstRetry, kLongestRetry);
  retry_at_ = now + delay_;
  failed_ = {.failure = std::move(opened).error(), .retry_at = std::chrono::system_clock::now() + delay_};
}

bool Modules::retry(Clock::time_point now) {
  if (!retry_at_ || now < *retry_at_) return false;
  if (slots_.empty()) {
    retry_at_.reset();
    return false;
  }
  try_to_open(now);
  if (store_ != nullptr) want_what_slots_have();
  return look();
}

bool Modules::are_there(const NamespacedName& policy) const {
  const std::string prefix = policy.to_string() + "/wasm/";
  for (auto at = slots_.lower_bound(prefix); at != slots_.end() && at->first.starts_with(prefix); ++at) {
    if (!std::holds_alternative<wasm::Ready>(at->second.told.state)) return false;
  }
  return std::ranges::all_of(pipeline_.libraries_of(policy), [this](const std::string& slot) {
    const auto at = slots_.find(slot);
    return at != slots_.end() && std::holds_alternative<wasm::Ready>(at->second.told.state);
  });
}

void Modules::want(const wasm::Source& source) {
  if (open()) store_->want_also(source);
}

void Modules::want_what_slots_have() {
  if (!open()) return;
  std::vector<wasm::Source> wanted;
  for (const auto& [name, slot] : slots_) {
    wanted.push_back(slot.source);
    if (slot.before) wanted.push_back(*slot.before);
  }
  store_->want(std::move(wanted));
}

wasm::State Modules::state_of(const wasm::Source& source) const {
  return store_ == nullptr ? wasm::State(failed_) : store_->state(source);
}

translate::ModuleState Modules::state_of(const Slot& slot) const {
  translate::ModuleState state{.state = state_of(slot.source), .stand_in = std::nullopt};
  if (!slot.before || std::holds_alternative<wasm::Ready>(state.state)) return state;
  const wasm::State before = state_of(*slot.before);
  if (const auto* ready = std::get_if<wasm::Ready>(&before)) state.stand_in = *ready;
  return state;
}

translate::ModuleState Modules::resolve(const std::string& name, const wasm::Source& source) {
  Slot& slot = slots_[name];
  if (slot.key.empty() || slot.source != source) {
    std::string key = wasm::key_of(source);
    // What is not even there yet stands in for nothing; what stood in for that goes on.
    if (!slot.key.empty() && key != slot.key && is_ready(slot.source)) slot.before = slot.source;
    left_some_ = left_some_ || !slot.key.empty();
    slot.source = source;
    slot.key = std::move(key);
    want(source);
  }
  slot.told = state_of(slot);
  return slot.told;
}

void Modules::follow() {
  for (const auto& change : pipeline_.wanted_modules().changes()) {
    if (change.after == nullptr) left_some_ = slots_.erase(change.key) > 0 || left_some_;
  }
  for (auto& [name, slot] : slots_) {
    if (!slot.before || !is_ready(slot.source)) continue;
    slot.before.reset();
    left_some_ = true;
  }
  if (std::exchange(left_some_, false)) want_what_slots_have();
}

bool Modules::look() {
  bool changed = false;
  for (const auto& [name, slot] : slots_) {
    if (state_of(slot) == slot.told) continue;
    pipeline_.look_at_module(name);
    changed = true;
  }
  return changed;
}

}  // namespace sluice::control

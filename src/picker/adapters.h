// Which LoRA adapters a pod holds: a model of our own, since vLLM's metric says which adapters have requests,
// not which are loaded.
//
// A pod has a number of slots. An adapter of a request that runs or waits is in use; one that is not stays in
// its slot until another needs it, the one that was used longest ago first. Where all slots are in use, a
// request of another adapter waits with the pod until all requests of one of them have ended.
//
// Memory: one entry for each adapter in use, and one for each slot.
//
// Threads: as the Picker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::picker {

// Where the pod does not say: between vLLM's default of one and what people set.
inline constexpr std::uint32_t kDefaultAdapterSlots = 4;

enum class Residency : std::uint8_t {
  kLoaded,    // it is there
  kLoads,     // a slot is free, or can be freed
  kMustWait,  // all slots are in use by others
};

class AdapterSlots {
 public:
  void set_slots(std::uint32_t slots);
  std::uint32_t slots() const { return slots_; }

  Residency residency(std::uint64_t adapter) const;
  // Requests of ours that use it, and adapters that any of ours uses.
  std::uint32_t uses(std::uint64_t adapter) const;
  std::uint32_t in_use() const { return in_use_; }
  // Until a slot can be had by one more adapter, as a multiple of the time that a request runs: those with
  // the fewest requests give theirs up first, to whoever waits already. Zero where one is free or unused.
  double slot_wait() const { return slot_wait_; }
  // Whether one more adapter takes the place of another, which may be wanted again.
  bool evicts() const { return entries_.size() >= slots_; }

  void begin(std::uint64_t adapter);
  void end(std::uint64_t adapter);
  // The pod says that these have requests: they are loaded, whoever sent them.
  void seen(std::span<const std::uint64_t> adapters);

 private:
  struct Entry {
    std::uint64_t adapter;
    std::uint64_t since;  // in use: from when on; else: when it was used last
    std::uint32_t uses;
  };
  void trim();
  void estimate();
  Entry* find(std::uint64_t adapter);
  const Entry* find(std::uint64_t adapter) const;

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> scratch_;
  std::uint64_t clock_ = 0;
  std::uint32_t slots_ = kDefaultAdapterSlots;
  std::uint32_t in_use_ = 0;
  double slot_wait_ = 0;
};

}  // namespace sluice::picker

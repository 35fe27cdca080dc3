#include "picker/adapters.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sluice::picker {

void AdapterSlots::set_slots(std::uint32_t slots) {
  slots_ = std::max(1U, slots);
  trim();
  estimate();
}

AdapterSlots::Entry* AdapterSlots::find(std::uint64_t adapter) {
  const auto entry = std::ranges::find(entries_, adapter, &Entry::adapter);
  return entry == entries_.end() ? nullptr : &*entry;
}
const AdapterSlots::Entry* AdapterSlots::find(std::uint64_t adapter) const {
  return const_cast<AdapterSlots*>(this)->find(adapter);
}

Residency AdapterSlots::residency(std::uint64_t adapter) const {
  const Entry* entry = find(adapter);
  if (entry == nullptr) return in_use_ < slots_ ? Residency::kLoads : Residency::kMustWait;
  if (entry->uses == 0 || in_use_ <= slots_) return Residency::kLoaded;
  // More are in use than there are slots: those that came first have them.
  const auto before = std::ranges::count_if(
      entries_, [&](const Entry& other) { return other.uses > 0 && other.since < entry->since; });
  return before < slots_ ? Residency::kLoaded : Residency::kMustWait;
}

std::uint32_t AdapterSlots::uses(std::uint64_t adapter) const {
  const Entry* entry = find(adapter);
  return entry == nullptr ? 0 : entry->uses;
}

void AdapterSlots::begin(std::uint64_t adapter) {
  Entry* entry = find(adapter);
  if (entry == nullptr) entry = &entries_.emplace_back(Entry{adapter, 0, 0});
  if (entry->uses++ == 0) {
    entry->since = ++clock_;
    ++in_use_;
    trim();
  }
  estimate();
}

void AdapterSlots::end(std::uint64_t adapter) {
  Entry* entry = find(adapter);
  if (entry == nullptr || entry->uses == 0) return;
  if (--entry->uses == 0) {
    entry->since = ++clock_;
    --in_use_;
    trim();
  }
  estimate();
}

void AdapterSlots::seen(std::span<const std::uint64_t> adapters) {
  for (const std::uint64_t adapter : adapters) {
    Entry* entry = find(adapter);
    if (entry == nullptr) entry = &entries_.emplace_back(Entry{adapter, 0, 0});
    if (entry->uses == 0) entry->since = ++clock_;
  }
  trim();
}

void AdapterSlots::estimate() {
  slot_wait_ = 0;
  if (in_use_ < slots_) return;
  std::vector<std::uint32_t>& uses = scratch_;
  uses.clear();
  for (const Entry& entry : entries_) {
    if (entry.uses > 0) uses.push_back(entry.uses);
  }
  const std::size_t before = in_use_ - slots_;
  const std::size_t nth = std::min(before, uses.size() - 1);
  std::ranges::nth_element(uses, uses.begin() + static_cast<std::ptrdiff_t>(nth));
  // The last of n requests that began at any time ends after the sum of 1/1 … 1/n.
  slot_wait_ = 1 + std::log(uses[nth]) + static_cast<double>(before / slots_);
}

// Adapters not in use have the slots that are left, those that were used last.
void AdapterSlots::trim() {
  const std::size_t most = std::max(slots_, in_use_);
  while (entries_.size() > most) {
    auto oldest = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->uses == 0 && (oldest == entries_.end() || entry->since < oldest->since)) oldest = entry;
    }
    *oldest = entries_.back();
    entries_.pop_back();
  }
}

}  // namespace sluice::picker

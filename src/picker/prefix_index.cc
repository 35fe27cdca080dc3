#include "picker/prefix_index.h"

#include <algorithm>
#include <bit>
#include <ranges>

namespace sluice::picker {
namespace {

constexpr std::size_t kGroup = 64;

// A hash of zero bits in front would be bad for a table that takes hashes as they are; xxhash has none, and
// a salt by exclusive or keeps it so.
std::uint64_t key(BlockHash hash, std::uint64_t salt) { return hash ^ salt; }

}  // namespace

std::uint32_t PrefixIndex::Planes::generation(unsigned slot) const {
  std::uint32_t generation = 0;
  for (unsigned plane = 0; plane < bits.size(); ++plane) {
    generation |= static_cast<std::uint32_t>(bits[plane] >> slot & 1) << plane;
  }
  return generation;
}

void PrefixIndex::Planes::set(unsigned slot, std::uint32_t generation) {
  for (unsigned plane = 0; plane < bits.size(); ++plane) {
    bits[plane] &= ~(std::uint64_t{1} << slot);
    bits[plane] |= static_cast<std::uint64_t>(generation >> plane & 1) << slot;
  }
}

void PrefixIndex::Group::drop(unsigned slot, std::uint32_t generation) {
  for (const BlockHash hash : pods[slot].came[generation]) {
    Planes* const planes = table.find(hash);
    if (planes == nullptr || planes->generation(slot) != generation) continue;
    planes->set(slot, 0);
    if (planes->present() == 0) table.erase(hash);
  }
  pods[slot].came[generation].clear();
}

void PrefixIndex::resize(std::size_t slots) {
  if (slots <= slots_) return;
  slots_ = slots;
  groups_.resize((slots + kGroup - 1) / kGroup);
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    groups_[i].pods.resize(std::min(kGroup, slots - i * kGroup));
  }
}

void PrefixIndex::set_capacity(std::size_t slot, std::uint32_t blocks) {
  groups_[slot / kGroup].pods[slot % kGroup].capacity = std::clamp<std::uint32_t>(blocks, 1, kMaxPodBlocks);
}

void PrefixIndex::forget(std::size_t slot) {
  Group& group = groups_[slot / kGroup];
  for (std::uint32_t generation = 1; generation <= kGenerations; ++generation) {
    group.drop(slot % kGroup, generation);
  }
  group.pods[slot % kGroup] = Pod{};
}

void PrefixIndex::match(std::span<const BlockHash> chain, std::uint64_t salt,
                        std::span<std::uint32_t> lengths) const {
  std::ranges::fill(lengths, 0);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    if (group.table.empty()) continue;
    std::uint64_t alive =
        group.pods.size() == kGroup ? ~std::uint64_t{0} : (std::uint64_t{1} << group.pods.size()) - 1;
    // All of `alive` have the blocks before `at`. The next look-up is `stride` blocks on: if they all have
    // that one, they have those between.
    std::size_t at = 0;
    std::size_t stride = 1;
    while (alive != 0 && at < chain.size()) {
      stride = std::min(stride, chain.size() - at);
      const Planes* const planes = group.table.find(key(chain[at + stride - 1], salt));
      const std::uint64_t present = planes == nullptr ? 0 : planes->present();
      if ((alive & ~present) == 0) {
        at += stride;
        stride *= 2;
        continue;
      }
      if (stride > 1) {
        stride /= 2;
        continue;
      }
      for (std::uint64_t gone = alive & ~present; gone != 0; gone &= gone - 1) {
        lengths[g * kGroup + static_cast<std::size_t>(std::countr_zero(gone))] =
            static_cast<std::uint32_t>(at);
      }
      alive &= present;
    }
    for (; alive != 0; alive &= alive - 1) {
      lengths[g * kGroup + static_cast<std::size_t>(std::countr_zero(alive))] =
          static_cast<std::uint32_t>(chain.size());
    }
  }
}

void PrefixIndex::add(std::size_t slot, std::span<const BlockHash> chain, std::uint64_t salt) {
  Group& group = groups_[slot / kGroup];
  const auto bit = static_cast<unsigned>(slot % kGroup);
  Pod& pod = group.pods[bit];
  const std::size_t share = std::max<std::size_t>(1, pod.capacity / kGenerations);
  // From the end, so that the beginning is what was used last.
  for (const BlockHash hash : chain | std::views::reverse) {
    Planes& planes = group.table[key(hash, salt)];
    if (planes.generation(bit) == pod.current) continue;
    planes.set(bit, pod.current);
    pod.came[pod.current].push_back(key(hash, salt));
    if (pod.came[pod.current].size() < share) continue;
    pod.current = pod.current % kGenerations + 1;
    group.drop(bit, pod.current);
  }
}

std::size_t PrefixIndex::entries() const {
  std::size_t sum = 0;
  for (const Group& group : groups_) sum += group.table.size();
  return sum;
}

std::size_t PrefixIndex::blocks_of(std::size_t slot) const {
  const Group& group = groups_[slot / kGroup];
  std::size_t count = 0;
  group.table.each([&](const Planes& planes) {
    if (planes.generation(static_cast<unsigned>(slot % kGroup)) != 0) ++count;
  });
  return count;
}

}  // namespace sluice::picker

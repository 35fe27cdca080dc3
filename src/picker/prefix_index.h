// Which pods have seen which beginnings of prompts: a guess at the servers' prefix caches from what was sent
// to them.
//
// A table from block hash to a bit set of pods, so that one look-up a block answers for 64 pods, and a search
// of a prompt costs the logarithm of what is known of it: a pod that has a block has all before it, so whole
// stretches that all pods have are skipped. A pod's blocks are forgotten in the order of their last use, the
// end of a prompt before its beginning, as vLLM evicts. The order is kept in seven generations, a number of
// three bits for each pod and block: a pod keeps between six sevenths of its capacity and all of it.
//
//   three bit planes of an entry, one column a pod          pod 0 is in generation 5, pod 1 has not seen the
//   plane 2   … 0 1                                         block (generation 0)
//   plane 1   … 0 0
//   plane 0   … 0 1
//
// Memory: at most 56 bytes an entry and 16 bytes for each block of a pod. A pod has at most kMaxPodBlocks.
//
// Threads: as the Picker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "picker/block_table.h"
#include "picker/request.h"

namespace sluice::picker {

// Two million tokens.
inline constexpr std::uint32_t kMaxPodBlocks = 32768;
// Where the size of the cache is unknown: half a million tokens, what a GPU of 80 GB has room for beside a
// model of eight billion parameters.
inline constexpr std::uint32_t kDefaultPodBlocks = 8192;

class PrefixIndex {
 public:
  // Pods are slots 0 … `slots` - 1; those that are there keep what they have. Never shrinks.
  void resize(std::size_t slots);
  void set_capacity(std::size_t slot, std::uint32_t blocks);
  void forget(std::size_t slot);

  // The blocks of the chain's beginning that each slot has. `salt` is the same for prompts that share a
  // cache: another model or adapter is another salt. `lengths` has one place a slot.
  void match(std::span<const BlockHash> chain, std::uint64_t salt, std::span<std::uint32_t> lengths) const;
  void add(std::size_t slot, std::span<const BlockHash> chain, std::uint64_t salt);

  std::size_t entries() const;
  std::size_t blocks_of(std::size_t slot) const;

 private:
  static constexpr std::size_t kGenerations = 7;

  struct Planes {
    std::array<std::uint64_t, 3> bits{};

    std::uint64_t present() const { return bits[0] | bits[1] | bits[2]; }
    std::uint32_t generation(unsigned slot) const;
    void set(unsigned slot, std::uint32_t generation);
  };
  struct Pod {
    std::uint32_t capacity = kDefaultPodBlocks;
    std::uint32_t current = 1;  // 1 … kGenerations
    // The blocks that came into each generation, some of which have moved on.
    std::array<std::vector<BlockHash>, kGenerations + 1> came;
  };
  // 64 pods with a table of their own.
  struct Group {
    BlockTable<Planes> table;
    std::vector<Pod> pods;

    void drop(unsigned slot, std::uint32_t generation);
  };
  std::vector<Group> groups_;
  std::size_t slots_ = 0;
};

}  // namespace sluice::picker

// The KV cache of an engine: a fixed number of blocks, some of them known by what they hold.
//
// A block that nobody uses any more stays findable until it is needed for something else: the one unused for
// longest goes first, and of a request's blocks the last before the first, for a prefix is of use without its
// end, never the other way round. That is vLLM's order (docs.vllm.ai, "Automatic prefix caching").
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace sluice::llmsim {

// Of a block's tokens, all before it, and the adapter: equal hashes are equal contents.
using BlockHash = std::uint64_t;
using BlockId = std::uint32_t;

class BlockPool {
 public:
  explicit BlockPool(std::uint32_t blocks);

  std::uint32_t size() const { return static_cast<std::uint32_t>(blocks_.size()); }
  // Unused ones, whether they hold something that may be found or not.
  std::uint32_t free() const { return free_; }

  // How many of these, from the first on, are there.
  std::size_t match(std::span<const BlockHash> prompt) const;
  // How many of the first `count` of these, which are there, nobody uses.
  std::uint32_t unused(std::span<const BlockHash> prompt, std::size_t count) const;

  // The block with this hash, which is there: one more user.
  BlockId share(BlockHash hash);
  // A block without contents, for one user; free() > 0.
  BlockId take();
  // From now on the block is found by this hash, unless another is.
  void name(BlockId block, BlockHash hash);
  // One user less for each.
  void release(std::span<const BlockId> blocks);

 private:
  static constexpr BlockId kNone = ~BlockId{0};
  struct Block {
    BlockHash hash = 0;
    bool named = false;
    std::uint32_t users = 0;
    BlockId before = kNone;  // in the list of unused blocks
    BlockId after = kNone;
  };

  void append(BlockId id);
  void unlink(BlockId id);

  std::vector<Block> blocks_;
  absl::flat_hash_map<BlockHash, BlockId> named_;
  BlockId first_ = kNone;
  BlockId last_ = kNone;
  std::uint32_t free_ = 0;
};

}  // namespace sluice::llmsim

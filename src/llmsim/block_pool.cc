#include "llmsim/block_pool.h"

#include <ranges>

namespace sluice::llmsim {

BlockPool::BlockPool(std::uint32_t blocks) : blocks_(blocks) {
  for (BlockId id = 0; id < blocks; ++id) append(id);
}

void BlockPool::append(BlockId id) {
  Block& block = blocks_[id];
  block.before = last_;
  block.after = kNone;
  (last_ == kNone ? first_ : blocks_[last_].after) = id;
  last_ = id;
  ++free_;
}

void BlockPool::unlink(BlockId id) {
  const Block& block = blocks_[id];
  (block.before == kNone ? first_ : blocks_[block.before].after) = block.after;
  (block.after == kNone ? last_ : blocks_[block.after].before) = block.before;
  --free_;
}

std::size_t BlockPool::match(std::span<const BlockHash> prompt) const {
  std::size_t count = 0;
  while (count < prompt.size() && named_.contains(prompt[count])) ++count;
  return count;
}

std::uint32_t BlockPool::unused(std::span<const BlockHash> prompt, std::size_t count) const {
  std::uint32_t unused = 0;
  for (const BlockHash hash : prompt.first(count)) {
    if (blocks_[named_.find(hash)->second].users == 0) ++unused;
  }
  return unused;
}

BlockId BlockPool::share(BlockHash hash) {
  const BlockId id = named_.find(hash)->second;
  if (blocks_[id].users++ == 0) unlink(id);
  return id;
}

BlockId BlockPool::take() {
  const BlockId id = first_;
  unlink(id);
  Block& block = blocks_[id];
  if (block.named) named_.erase(block.hash);
  block.named = false;
  block.users = 1;
  return id;
}

void BlockPool::name(BlockId block, BlockHash hash) {
  if (!named_.try_emplace(hash, block).second) return;
  blocks_[block].hash = hash;
  blocks_[block].named = true;
}

void BlockPool::release(std::span<const BlockId> blocks) {
  for (const BlockId id : std::views::reverse(blocks)) {
    if (--blocks_[id].users == 0) append(id);
  }
}

}  // namespace sluice::llmsim

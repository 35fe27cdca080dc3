#include "picker/request.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice::picker {

void PromptChain::hash(const char* block) {
  if (blocks_.size() < kMaxBlocks) {
    blocks_.push_back(XXH64(block, kBlockBytes, blocks_.empty() ? 0 : blocks_.back()));
  }
}

void PromptChain::add(std::string_view text) {
  bytes_ += text.size();
  if (!partial_.empty()) {
    const std::size_t missing = std::min(kBlockBytes - partial_.size(), text.size());
    partial_.append(text.substr(0, missing));
    text.remove_prefix(missing);
    if (partial_.size() < kBlockBytes) return;
    hash(partial_.data());
    partial_.clear();
  }
  while (text.size() >= kBlockBytes) {
    hash(text.data());
    text.remove_prefix(kBlockBytes);
  }
  partial_.assign(text);
}

}  // namespace sluice::picker

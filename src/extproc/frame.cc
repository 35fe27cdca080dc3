#include "extproc/frame.h"

#include <algorithm>

namespace sluice::extproc {
namespace {

// Of memory, for the next stream; most messages have room in it.
constexpr std::size_t kKept = 8 * 1024;

std::size_t length_of(std::string_view prefix) {
  std::size_t length = 0;
  for (std::size_t i = 1; i < kFramePrefix; ++i) {
    length = (length << 8) | static_cast<unsigned char>(prefix[i]);
  }
  return length;
}

}  // namespace

FrameReader::Result FrameReader::next(std::string_view& chunk, std::size_t max_message_bytes,
                                      std::string_view& message) {
  if (consumed_) {
    partial_.clear();
    consumed_ = false;
  }
  const auto take = [&](std::size_t size) {
    const std::size_t taken = std::min(size, chunk.size());
    partial_.append(chunk.substr(0, taken));
    chunk.remove_prefix(taken);
  };
  if (!partial_.empty() && partial_.size() < kFramePrefix) take(kFramePrefix - partial_.size());
  const std::string_view prefix = partial_.empty() ? chunk : partial_;
  if (prefix.size() < kFramePrefix) {
    take(chunk.size());
    return Result::kMore;
  }
  if (prefix[0] != 0) return Result::kCompressed;
  const std::size_t length = length_of(prefix);
  if (length > max_message_bytes) return Result::kTooLarge;
  const std::size_t size = kFramePrefix + length;
  if (partial_.empty() && chunk.size() >= size) {
    message = chunk.substr(kFramePrefix, length);
    chunk.remove_prefix(size);
    return Result::kMessage;
  }
  // The length is a claim: memory grows with what has arrived, not with it.
  take(size - partial_.size());
  if (partial_.size() < size) return Result::kMore;
  message = std::string_view(partial_).substr(kFramePrefix);
  consumed_ = true;
  return Result::kMessage;
}

void FrameReader::reset() {
  partial_.clear();
  if (partial_.capacity() > kKept) partial_.shrink_to_fit();
  consumed_ = false;
}

std::size_t begin_frame(std::string& out) {
  const std::size_t begin = out.size();
  out.append(kFramePrefix, '\0');
  return begin;
}

void end_frame(std::string& out, std::size_t begin) {
  std::size_t length = out.size() - begin - kFramePrefix;
  for (std::size_t i = kFramePrefix - 1; i > 0; --i, length >>= 8) {
    out[begin + i] = static_cast<char>(length & 0xff);
  }
}

}  // namespace sluice::extproc

// A serialised message in pieces: what is large is shared with the store, not copied.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ads/session.h"

namespace sluice::ads {

using Piece = std::shared_ptr<const std::string>;

class Frame {
 public:
  // Bytes that go before the next piece.
  std::string& text() { return text_; }
  // Appends the field `number` that holds google.protobuf.Any{type_url, value}.
  void append_any(int number, std::string_view type_url, const Piece& value);
  // Its size without tag and length.
  static std::size_t any_size(std::string_view type_url, const std::string& value);
  // Appends the tag and the length of the field `number`, which has `size` bytes that the caller appends.
  void open_field(int number, std::size_t size);

  std::vector<Piece> take();

 private:
  void close_text();

  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace sluice::ads

#include "ads/frame.h"

#include "xds/wire.h"

namespace sluice::ads {
namespace {

// Smaller ones are cheaper to copy than to hand over.
constexpr std::size_t kShared = 8 << 10;

constexpr int kAnyTypeUrl = 1;
constexpr int kAnyValue = 2;

// Of fields 1 to 15.
std::size_t field_size(std::size_t bytes) { return 1 + varint_size(bytes) + bytes; }

}  // namespace

void Frame::open_field(int number, std::size_t size) {
  append_bytes_tag(text_, number);
  append_varint(text_, size);
}

std::size_t Frame::any_size(std::string_view type_url, const std::string& value) {
  return field_size(type_url.size()) + field_size(value.size());
}

void Frame::append_any(int number, std::string_view type_url, const Piece& value) {
  open_field(number, any_size(type_url, *value));
  xds::append_field(text_, kAnyTypeUrl, type_url);
  open_field(kAnyValue, value->size());
  if (value->size() < kShared) {
    text_ += *value;
    return;
  }
  close_text();
  pieces_.push_back(value);
}

void Frame::close_text() {
  if (!text_.empty()) pieces_.push_back(std::make_shared<const std::string>(std::exchange(text_, {})));
}

std::vector<Piece> Frame::take() {
  close_text();
  return std::exchange(pieces_, {});
}

}  // namespace sluice::ads

#include "extproc/wire.h"

#include <cstring>

#include "base/wire.h"

namespace sluice::extproc {
namespace {

enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr std::uint64_t kMaxFieldNumber = (1U << 29) - 1;

}  // namespace

bool take_varint(std::string_view& bytes, std::uint64_t& value) {
  value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool FieldReader::fail() {
  rest_ = {};
  return ok_ = false;
}

bool FieldReader::next() {
  if (rest_.empty()) return false;
  std::uint64_t tag = 0;
  if (!take_varint(rest_, tag)) return fail();
  const std::uint64_t number = tag >> 3;
  if (number == 0 || number > kMaxFieldNumber) return fail();
  number_ = static_cast<int>(number);
  bytes_ = {};
  integer_ = 0;
  is_bytes_ = false;
  switch (tag & 7) {
    case kVarint:
      return take_varint(rest_, integer_) || fail();
    case kBytes: {
      std::uint64_t size = 0;
      if (!take_varint(rest_, size) || size > rest_.size()) return fail();
      is_bytes_ = true;
      bytes_ = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return true;
    }
    case kFixed32:
    case kFixed64: {
      const std::size_t size = (tag & 7) == kFixed32 ? 4 : 8;
      if (rest_.size() < size) return fail();
      std::memcpy(&integer_, rest_.data(), size);  // little endian, as we are
      rest_.remove_prefix(size);
      return true;
    }
    default:
      return fail();  // groups, which proto3 has not
  }
}

NestedField::NestedField(std::string& out, int field) : out_(out) {
  append_bytes_tag(out, field);
  out.push_back(0);  // nearly always one byte is enough for the length
  start_ = out.size();
}

NestedField::~NestedField() {
  std::uint64_t size = out_.size() - start_;
  if (size < 0x80) {
    out_[start_ - 1] = static_cast<char>(size);
    return;
  }
  const std::size_t width = varint_size(size);
  out_.insert(start_, width - 1, '\0');
  for (std::size_t i = 0; i < width; ++i, size >>= 7) {
    out_[start_ - 1 + i] = static_cast<char>((size & 0x7f) | (i + 1 < width ? 0x80 : 0));
  }
}

}  // namespace sluice::extproc

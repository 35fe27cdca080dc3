#include "base/wire.h"

namespace sluice {
namespace {

constexpr int kVarint = 0;
constexpr int kLengthDelimited = 2;

void append_tag(std::string& out, int number, int wire_type) {
  append_varint(out, static_cast<std::uint64_t>(number) << 3U | static_cast<std::uint64_t>(wire_type));
}

}  // namespace

std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7U) ++size;
  return size;
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<char>(value | 0x80U));
  out.push_back(static_cast<char>(value));
}

void append_bytes_tag(std::string& out, int number) { append_tag(out, number, kLengthDelimited); }

void append_field(std::string& out, int number, std::string_view bytes) {
  append_bytes_tag(out, number);
  append_varint(out, bytes.size());
  out.append(bytes);
}

void append_field(std::string& out, int number, std::uint64_t value) {
  append_tag(out, number, kVarint);
  append_varint(out, value);
}

}  // namespace sluice

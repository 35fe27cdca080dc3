// Writing protobuf's wire format by hand, for what is written too often to build objects for it.
//
// Source of the format: protobuf.dev/programming-guides/encoding.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// A varint; the number of bytes that it takes.
inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<char>(value | 0x80U));
  out.push_back(static_cast<char>(value));
}
inline std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7U) ++size;
  return size;
}

// The tag of a string, bytes or message; its length and itself come after it.
inline void append_bytes_tag(std::string& out, int number) {
  constexpr unsigned kLengthDelimited = 2;
  append_varint(out, static_cast<std::uint64_t>(number) << 3U | kLengthDelimited);
}

// A field of a string, bytes or an encoded message; of an integer, bool or enum.
inline void append_field(std::string& out, int number, std::string_view bytes) {
  append_bytes_tag(out, number);
  append_varint(out, bytes.size());
  out.append(bytes);
}
inline void append_field(std::string& out, int number, std::uint64_t value) {
  append_varint(out, static_cast<std::uint64_t>(number) << 3U);
  append_varint(out, value);
}
// A bool or enum is no string of bytes.
void append_field(std::string& out, int number, const char* bytes) = delete;

// A field of what `fill` appends to `out`, written in its place: the length, which comes before it, is put
// there at last.
template <typename Fill>
void append_nested(std::string& out, int number, Fill fill) {
  append_bytes_tag(out, number);
  const std::size_t at = out.size();
  out.push_back('\0');
  fill();
  std::uint64_t size = out.size() - at - 1;
  if (size >= 0x80) out.insert(at, varint_size(size) - 1, '\0');
  std::size_t i = at;
  for (; size >= 0x80; size >>= 7U) out[i++] = static_cast<char>(size | 0x80U);
  out[i] = static_cast<char>(size);
}

}  // namespace sluice

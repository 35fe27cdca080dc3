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
void append_varint(std::string& out, std::uint64_t value);
std::size_t varint_size(std::uint64_t value);

// The tag of a string, bytes or message; its length and itself come after it.
void append_bytes_tag(std::string& out, int number);

// A field of a string, bytes or an encoded message; of an integer, bool or enum.
void append_field(std::string& out, int number, std::string_view bytes);
void append_field(std::string& out, int number, std::uint64_t value);
// A bool or enum is no string of bytes.
void append_field(std::string& out, int number, const char* bytes) = delete;

}  // namespace sluice

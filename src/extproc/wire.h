// Protobuf's wire format, read without copying; and, beside base/wire.h, messages inside messages.
//
// An ext_proc server spends its time on a handful of small messages; a view over the received bytes and a few
// appends are a tenth of what building and destroying their objects costs. The tests hold this code against
// protobuf's own classes.
//
// Source of the format: protobuf.dev/programming-guides/encoding.
//
// Threads: plain values; a view lives as long as the bytes that it is of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::extproc {

// The fields of one message, one after the other:
//
//   FieldReader fields(bytes);
//   while (fields.next()) if (fields.number() == 1) use(fields.bytes());
//   if (!fields.ok()) …  // malformed: what was read so far does not count
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}

  // False at the end, and where the bytes are no message.
  bool next();
  bool ok() const { return ok_; }

  int number() const { return number_; }
  // The value of a length-delimited field (string, bytes, message), else empty.
  std::string_view bytes() const { return bytes_; }
  // The value of a varint, or the bits of a fixed32 or fixed64 field; else 0.
  std::uint64_t integer() const { return integer_; }
  bool is_bytes() const { return is_bytes_; }

 private:
  bool fail();

  std::string_view rest_;
  bool ok_ = true;
  bool is_bytes_ = false;
  int number_ = 0;
  std::string_view bytes_;
  std::uint64_t integer_ = 0;
};

// Takes a varint off the front of `bytes`; false where there is none.
bool take_varint(std::string_view& bytes, std::uint64_t& value);

// A message inside another: its length is known when its fields have been appended.
//
//   { NestedField response(out, 1); append_field(out, 2, "…"); }
class NestedField {
 public:
  NestedField(std::string& out, int field);
  NestedField(const NestedField&) = delete;
  NestedField& operator=(const NestedField&) = delete;
  ~NestedField();

 private:
  std::string& out_;
  std::size_t start_;
};

}  // namespace sluice::extproc

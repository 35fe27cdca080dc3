// gRPC's message frames: a byte that says whether the message is compressed, its length in four bytes, big
// endian, and the message (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::extproc {

inline constexpr std::size_t kFramePrefix = 5;

// Cuts a stream of bytes into messages. A message that lies in one chunk as a whole is not copied.
class FrameReader {
 public:
  enum class Result : std::uint8_t { kMessage, kMore, kTooLarge, kCompressed };

  // Takes the next message out of `chunk`, or all of it into the reader where that has none. The message
  // lives until the next call, or as long as the chunk.
  Result next(std::string_view& chunk, std::size_t max_message_bytes, std::string_view& message);
  // Bytes that wait for the rest of their message.
  std::size_t partial_bytes() const { return consumed_ ? 0 : partial_.size(); }
  // Forgets everything; keeps little memory.
  void reset();

 private:
  std::string partial_;
  bool consumed_ = false;  // partial_ was a message that has been handed out
};

// Appends the prefix and leaves the place of the length open; end_frame() fills it in.
std::size_t begin_frame(std::string& out);
void end_frame(std::string& out, std::size_t begin);

}  // namespace sluice::extproc

// A response of HTTP/1.1, read as it arrives (RFC 9112): its status, its body in pieces, and whether the
// connection may be used again. Made for the answers of model servers to GET: bodies with a length, in
// chunks, or up to the end of the connection.
//
// What comes may be anything: heads have at most kMaxHead bytes, lines of chunks and trailers too.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sluice::picker {

class HttpResponse {
 public:
  static constexpr std::size_t kMaxHead = 16 * 1024;

  enum class State : std::uint8_t { kMore, kDone, kBad };

  // Takes bytes as they were received, and gives the pieces of the body to `body`. What follows the response
  // is kBad: nobody asked for it.
  State feed(std::string_view bytes, const std::function<void(std::string_view)>& body);
  // The connection has ended.
  State end();
  void reset();

  unsigned status() const { return status_; }
  // After kDone: another request may be sent on the connection.
  bool keep_alive() const { return keep_alive_; }
  // Something has arrived.
  bool begun() const { return begun_; }

 private:
  enum class Expect : std::uint8_t {
    kHead,
    kLength,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailers,
    kClose,
    kDone
  };

  bool read_head(std::string_view head);
  bool read_chunk_size(std::string_view line);
  // Takes a line off the front; false where it is not complete, or too long: then bad_ is set.
  bool take_line(std::string_view& bytes, std::string& line);

  Expect expect_ = Expect::kHead;
  unsigned status_ = 0;
  bool keep_alive_ = true;
  bool begun_ = false;
  bool bad_ = false;
  std::uint64_t left_ = 0;  // of the body or the chunk
  std::string partial_;     // a head or line that is not complete
};

}  // namespace sluice::picker

// HTTP/1.1 messages as they arrive on a connection, piece by piece. Written for programs that talk to a proxy
// in tests: strict about framing, for a message cut at the wrong place would look like another answer.
//
// A Reader reads one message: its head is kept, its body only counted.
//
// Threads: none of this is shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http1 {

struct Header {
  std::string name;  // in lower case
  std::string value;
};

enum class Side : std::uint8_t { kRequests, kResponses };
enum class State : std::uint8_t {
  kHead,  // wants more of the start line and headers
  kBody,  // head() is complete
  kDone,  // the message is complete
  kBad,   // the bytes are no message; the connection is of no use any more
};

class Reader {
 public:
  explicit Reader(Side side) : side_(side) {}

  // Takes what belongs to this message from the front of *bytes.
  State read(std::string_view* bytes);
  // The peer has closed: completes a response that lasts until then.
  State read_end();
  // Forgets the message, ready for the next one.
  void reset() { *this = Reader(side_); }

  State state() const { return state_; }
  // Nothing of a message has arrived yet.
  bool untouched() const { return state_ == State::kHead && line_.empty(); }

  // Of a complete head: the three parts of the start line (method, target, version | version, status,
  // reason).
  const std::string& start(std::size_t part) const { return start_[part]; }
  int status() const { return status_; }
  const std::vector<Header>& headers() const { return headers_; }
  // The value of the first header of that name (in lower case), or empty.
  std::string_view header(std::string_view name) const;
  // The connection ends with this message.
  bool last() const { return last_; }
  std::uint64_t body_size() const { return body_size_; }

 private:
  // What the next bytes are.
  enum class Expect : std::uint8_t {
    kStart,
    kHeader,
    kLength,
    kUntilClose,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailer
  };

  bool take_line(std::string_view* bytes);
  bool on_line(std::string_view line);
  bool on_start(std::string_view line);
  bool on_header(std::string_view line);
  bool on_head_end();
  bool on_chunk_size(std::string_view line);
  void done() { state_ = State::kDone; }

  Side side_;
  State state_ = State::kHead;
  Expect expect_ = Expect::kStart;
  std::string line_;           // what has arrived of a line that is not complete
  std::size_t head_size_ = 0;  // lines so far, against kMaxHead
  std::string start_[3];
  std::vector<Header> headers_;
  int status_ = 0;
  bool last_ = false;
  std::uint64_t left_ = 0;  // of the length or of the chunk
  std::uint64_t body_size_ = 0;
};

}  // namespace sluice::http1

// A response of HTTP/1.1, read as it arrives, cut anywhere: its head, and its body in pieces.
//
// Boost.Beast parses; it is seen by response.cc alone, for it takes long to compile. Heads have at most
// kMaxHead bytes. "100 Continue" and its like are skipped. A body that is compressed is kBad: we do not ask
// for it.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::kube {

class Response {
 public:
  static constexpr std::size_t kMaxHead = std::size_t{64} << 10;

  enum class State : std::uint8_t { kMore, kDone, kBad };
  using Body = std::function<void(std::string_view)>;

  Response();
  Response(Response&&) noexcept;
  Response& operator=(Response&&) noexcept;
  ~Response();

  // Takes bytes as they were received. What follows the response is kBad: nobody asked for it. A state that
  // is not kMore is final.
  State feed(std::string_view bytes, const Body& body);
  // The connection has ended: kDone where the body was to last so long, else kBad.
  State end();

  // The head is here: before it the rest says nothing.
  bool has_head() const;
  unsigned status() const;
  // After kDone: another request may be sent on the connection.
  bool keep_alive() const;
  // In seconds, of Retry-After; a date is none.
  std::optional<unsigned> retry_after() const;
  // Some of it has arrived.
  bool begun() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace sluice::kube

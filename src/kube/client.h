// A client of one API server: calls, and streams of lines, over HTTP/1.1 with or without TLS.
//
// Connections are kept for the next call and opened as need be; a stream has one of its own while it lasts.
// Each is watched by TCP (keep-alive and a time limit for what is not acknowledged), so that a server that
// has vanished is noticed within kVanished. A call that finds that the server closed a kept connection is
// sent again on a new one, but for POST. A 401 is answered by reading the credential once more and sending
// again, once. Other failures and statuses are for whoever called: this knows of no retrying.
//
// Boost.Asio does it, by coroutines on one thread; client.cc alone sees it.
//
// Threads: a thread of the client's own, which calls all callbacks. post(), call(), after(), run() and stop()
// may be called from any thread; a Stream is opened and destroyed on the client's thread. Callbacks must not
// block.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kube/access.h"

namespace sluice::kube {

struct Call {
  std::string method = "GET";
  std::string target;  // "/api/v1/pods?limit=500"
  std::string body;
  std::string content_type;  // of the body
  // From call() to the end of the answer.
  std::chrono::milliseconds timeout{30'000};
  // Does not wait for others, of which Options::max_calls run at a time.
  bool urgent = false;
};

// Any status; a success is for the caller to tell.
struct Answer {
  unsigned status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;

  bool ok() const { return status >= 200 && status < 300; }
};

// Why there is no answer. The message is a sentence for people, in lower case and without a full stop; it has
// no secret in it.
struct Failure {
  enum class Reason : std::uint8_t {
    kCredential,   // a token, certificate or plug-in does not give what it should
    kUnreachable,  // no such host, or nobody listens there
    kTls,          // no TLS, or a certificate that is not trusted
    kTimeout,      // it took too long, or a stream was silent too long
    kBroken,       // the connection ended before the answer did
    kProtocol,     // what came is no HTTP
    kTooLarge,     // beyond Options::max_body or max_line
  };
  Reason reason = Reason::kBroken;
  std::string message;

  bool operator==(const Failure&) const = default;
};

using Outcome = std::expected<Answer, Failure>;
using Done = std::function<void(Outcome)>;

struct StreamCall {
  std::string target;
  std::chrono::milliseconds head_timeout{30'000};  // until the answer begins
  std::chrono::milliseconds silence{150'000};      // without a byte: kTimeout
};

struct StreamEvents {
  // It has begun: status 200.
  std::function<void()> opened;
  // A line, without its end, of a body of status 200. Gone when this returns.
  std::function<void(std::string_view)> line;
  // The last of all. Status 200 with an empty body: the server has ended it; another: it has refused.
  Done ended;
};

class Client {
 public:
  // How long a server that has vanished can go unnoticed on a connection: Go's HTTP/2 client has 30 s and 15
  // s.
  static constexpr std::chrono::seconds kVanished{30};

  struct Options {
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds idle{45'000};  // API servers close after 90 s
    std::size_t max_calls = 16;
    std::size_t max_body = std::size_t{256} << 20;  // a page of 500 objects of 0.5 MB
    std::size_t max_line = std::size_t{32} << 20;   // etcd takes 1.5 MB by default
    std::chrono::milliseconds plugin_timeout{60'000};
    std::string user_agent = "sluice";
  };

  // One line-wise answer that goes on; destroying it ends it, and then no event is told any more. To be
  // destroyed on the client's thread, from within an event too, or after stop().
  class Stream {
   public:
    Stream() = default;
    Stream(Stream&&) noexcept = default;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream();
    explicit operator bool() const { return state_ != nullptr; }

   private:
    friend class Client;
    struct State;
    std::shared_ptr<State> state_;
  };

  explicit Client(Access access, Options options);
  explicit Client(Access access) : Client(std::move(access), Options()) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();  // stop()

  const Access& access() const;

  void post(std::function<void()> work);
  void after(std::chrono::milliseconds delay, std::function<void()> work);
  // Runs it on the client's thread and waits for that; after stop(), or on that thread, at once.
  void run(const std::function<void()>& work);

  void call(Call call, Done done);
  [[nodiscard]] Stream open(StreamCall call, StreamEvents events);

  // Ends everything. When it returns no callback runs, and none will: what is under way is dropped. Not from
  // the client's thread.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::kube

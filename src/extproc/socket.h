// Sockets: an address to listen at, and a connection with or without TLS.
//
// Threads: a TlsContext and a Socket belong to one thread.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <sys/stat.h>

#include "base/descriptor.h"
#include "base/problem.h"
#include "base/socket_file.h"
#include "extproc/server.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace sluice::extproc {

struct Listening {
  Descriptor descriptor;
  std::string address;   // with the port that it got
  SocketFile file = {};  // of a Unix socket
};

// Listens, without blocking. A Unix socket that nobody listens at any more is replaced.
std::expected<Listening, Problem> listen_at(const std::string& address, std::uint32_t socket_mode);

// The server's certificate and whom it trusts: TLS 1.3, ALPN "h2".
class TlsContext {
 public:
  static std::expected<std::unique_ptr<TlsContext>, Problem> load(const TlsFiles& files);

  // The newest that is good. Looks at the files if that was not done within a second.
  SSL_CTX* current(const std::function<void(const Problem&)>& report);

 private:
  struct Free {
    void operator()(SSL_CTX* context) const;
  };
  using Context = std::unique_ptr<SSL_CTX, Free>;
  using Clock = std::chrono::steady_clock;
  struct Stamp {  // of a file's content
    timespec changed{};
    ino_t inode = 0;
    bool operator==(const Stamp& o) const {
      return changed.tv_sec == o.changed.tv_sec && changed.tv_nsec == o.changed.tv_nsec && inode == o.inode;
    }
  };

  explicit TlsContext(const TlsFiles& files) : files_(files) {}
  std::expected<Context, Problem> read() const;
  std::vector<Stamp> stamps() const;

  TlsFiles files_;
  Context context_;
  std::vector<Stamp> stamps_;
  Clock::time_point looked_;
};

// What a read or write came to.
enum class Io : std::uint8_t { kDone, kAgain, kClosed };

class Socket {
 public:
  // `tls` may be null: then nothing is encrypted.
  Socket(Descriptor descriptor, SSL_CTX* tls);
  Socket(Socket&&) noexcept = default;
  ~Socket();

  int descriptor() const { return descriptor_.get(); }
  bool is_tls() const { return ssl_ != nullptr; }
  // kDone with *size > 0 bytes in the buffer; kAgain: wait until it is readable. *more: there may be more
  // now.
  Io read(std::span<char> buffer, std::size_t* size, bool* more);
  // Writes some; *size is how many.
  Io write(std::string_view bytes, std::size_t* size);
  // TLS wants to write before it can read on.
  bool wants_write() const { return wants_write_; }

 private:
  struct Free {
    void operator()(SSL* ssl) const;
  };
  Io result_of_tls(int result);

  Descriptor descriptor_;
  std::unique_ptr<SSL, Free> ssl_;
  bool wants_write_ = false;
};

}  // namespace sluice::extproc

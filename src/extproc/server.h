// A server for Envoy's external processing filter (envoy.service.ext_proc.v3.ExternalProcessor): HTTP/2 by
// nghttp2 on epoll, one event loop a thread.
//
// Whoever serves implements a Service, which makes a Handler for each stream; a stream is one HTTP request in
// Envoy. The server owns connections, TLS, message frames, limits and gRPC's health service; it knows
// nothing of what handlers are for.
//
//   class Tagger : public Handler {
//     explicit Tagger(Exchange& exchange) : exchange_(exchange) {}
//     void on_request(const Request& request) override { exchange_.send(Response{.part = request.part, …}); }
//   };
//
// Threads: a Service and its Handlers live on one loop's thread and are never called by another. Server's
// members may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/problem.h"
#include "extproc/message.h"

namespace sluice::extproc {

// Status codes of gRPC that we send (grpc.io/docs/guides/status-codes).
enum class GrpcStatus : std::uint8_t {
  kOk = 0,
  kInvalidArgument = 3,
  kNotFound = 5,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

// One stream, as its Handler sees it. It ends when Envoy ends it, when the connection is lost, or with
// finish() or fail(): after that the Handler is not called any more, what it sends goes nowhere, and it is
// destroyed when none of its callbacks is at work.
class Exchange {
 public:
  virtual void send(const Response& response) = 0;
  // Envoy ends the HTTP request with it.
  virtual void send(const ImmediateResponse& response) = 0;
  // Nothing more will be said: Envoy lets the rest of the HTTP request pass as it is.
  virtual void finish() = 0;
  virtual void fail(GrpcStatus status, std::string_view message) = 0;

  // Memory that is given back as a whole when the stream ends.
  virtual std::pmr::memory_resource& memory() = 0;
  // For timers, and for work that comes from other threads.
  virtual Loop& loop() = 0;

 protected:
  ~Exchange() = default;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // `request` and what its views show are gone when this returns.
  virtual void on_request(const Request& request) = 0;
};

// One a thread.
class Service {
 public:
  virtual ~Service() = default;
  // `exchange` outlives the handler.
  virtual std::unique_ptr<Handler> start(Exchange& exchange) = 0;
};
using MakeService = std::function<std::unique_ptr<Service>(Loop& loop)>;

// Files in PEM. They are read again when they change, looked at with a new connection and at most once a
// second; a change that is no good is reported, and what was there before stays in force.
struct TlsFiles {
  std::string certificate_chain;
  std::string private_key;
  std::string client_ca;  // empty: clients need no certificate
};

struct Limits {
  std::size_t max_connections = 1024;
  std::uint32_t max_streams = 16'384;         // of a connection at a time
  std::size_t max_message_bytes = 4U << 20;   // gRPC's default
  std::size_t max_partial_bytes = 64U << 20;  // messages of a connection that have not arrived as a whole
  std::size_t max_unsent_bytes = 8U << 20;    // answers of a connection that the client does not take
  std::chrono::milliseconds handshake_timeout{10'000};  // until the first frame of HTTP/2
};

struct Options {
  // "127.0.0.1:9002", "[::1]:9002" or "unix:/run/ext-proc.sock". Port 0 is any free one.
  std::string address;
  std::uint32_t socket_mode = 0600;  // of a Unix socket
  unsigned threads = 1;
  std::optional<TlsFiles> tls;
  Limits limits;
  // Names that the health service knows from the start, as serving. "" is the server as a whole.
  std::vector<std::string> health_services{"", "envoy.service.ext_proc.v3.ExternalProcessor"};
};

class Server {
 public:
  // Ends all at once. The file of a Unix socket goes too.
  virtual ~Server() = default;
  // Where it listens, in the form of Options::address, with the port that it got.
  virtual const std::string& address() const = 0;
  // Adds the name if the health service does not know it yet. Those who watch it are told.
  virtual void set_serving(const std::string& health_service, bool serving) = 0;
  // Takes no more connections, at a Unix socket removes its file, tells clients to open no more streams, and
  // returns when all streams have ended or the time is over.
  virtual void drain(std::chrono::milliseconds timeout) = 0;
};

// Null, with *problem, where the address or the certificates are no good. `report` is called later, from the
// server's threads, for files that changed for the worse.
std::unique_ptr<Server> start_server(const Options& options, const MakeService& make_service,
                                     std::function<void(const Problem&)> report, Problem* problem);

}  // namespace sluice::extproc

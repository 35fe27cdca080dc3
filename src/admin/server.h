// A small HTTP server for people and programs that look at sluice: on a Unix socket that only its owner may
// open, and on a TCP address.
//
// It only reads. GET is the only method, there are no bodies of requests, and nothing that is asked changes
// anything. A page of another site can neither read its answers (there are no CORS headers) nor, by letting
// its own name lead here (DNS rebinding), pass as this site: over TCP the Host has to be an IP address,
// "localhost" or one of Options::host_names.
//
// All is bounded: connections of each door, the size of a request, and the time for a request, for its answer
// and for taking the answer. So whoever may connect can keep others out of that door for a while, and nothing
// worse.
//
// Boost.Beast does the protocol: of what Debian has it is the one with limits and time-outs for everything
// and with Unix sockets, in one thread; cpp-httplib takes a thread a connection. It takes 17 s to compile,
// hence it is in server.cc alone.
//
// Threads: one of the server's own, which calls the handlers and makes the answers. A Respond may be called
// from any thread, but not after the server has been destroyed.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"

namespace sluice::admin {

struct Request {
  std::string path;           // "/metrics"
  std::string query;          // what follows the "?"
  std::string if_none_match;  // of the header; may be empty
};

struct Response {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string etag;  // may be empty
};

// Makes the response; called on the server's thread.
using Answer = std::function<Response()>;
// To be called once. What comes too late is dropped.
using Respond = std::function<void(Answer)>;
// Must not block.
using Handler = std::function<void(const Request&, Respond)>;

struct Options {
  std::string socket_path;  // created with mode 0600; a file that is there is replaced. Empty: none
  std::string tcp_address;  // "127.0.0.1:0", "[::1]:9000"; empty: no TCP
  std::vector<std::string> host_names;                   // by which the TCP address may be asked for
  std::map<std::string, Handler, std::less<>> handlers;  // by path
  Handler otherwise;                                     // for all other paths; empty: 404
  std::size_t max_connections = 32;                      // of the socket, and of the TCP address
  std::chrono::milliseconds timeout{15'000};  // for a request, idling included, and for taking an answer
  std::chrono::milliseconds answer_timeout{5'000};
};

class Server {
 public:
  virtual ~Server() = default;  // closes all connections

  // Where it really listens, "127.0.0.1:41873"; empty without TCP.
  virtual std::string tcp_address() const = 0;
};

std::expected<std::unique_ptr<Server>, Problem> start_server(Options options);

// Whether a request with this Host is meant for us.
bool is_our_host(std::string_view host, const std::vector<std::string>& host_names);

}  // namespace sluice::admin

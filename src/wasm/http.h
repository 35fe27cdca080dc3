// HTTP requests to servers that are not trusted: every one of them has bounds in size and time, and goes only
// where it may.
//
// - Redirects are followed up to a number, never from https to http, and what authorises a request goes to no
//   other origin than the one that it was meant for.
// - Link-local addresses and those of clouds' metadata services are refused when the connection is made: that
//   is after DNS and for each redirect.
// - Proxies and credentials of the environment are not used.
// - Trusted are the authorities of the system and those that are given besides: a private registry may send
//   its clients to a public store.
//
// One session serves one fetch: its connections are used again within it, and its deadline is for all its
// requests together.
//
// Threads: a session belongs to one thread; its stop token may be triggered from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasm/failure.h"

struct sockaddr;

namespace sluice::wasm {

struct HttpLimits {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds stall_timeout{30'000};   // without a byte from the server
  std::chrono::milliseconds total_timeout{300'000};  // of a session
  unsigned max_redirects = 10;
  // A PEM file of the authorities that are always trusted; empty: the system's, where libcurl finds them.
  std::string authorities;
};

struct HttpRequest {
  bool head_only = false;
  std::string url;
  std::vector<std::string> headers;  // "Accept: text/plain"
  std::string authorization;         // value of the header of this name, or empty
  std::uint64_t max_bytes = 0;       // of the body
};

struct HttpResponse {
  long status = 0;
  std::string url;                                           // that answered, after redirects
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case

  bool ok() const { return status >= 200 && status < 300; }
  // The first of this name, or "".
  std::string_view header(std::string_view name) const;
};

// Takes the body of an answer that is a success, piece by piece; a failure ends the request with it.
using HttpSink = std::function<Result<void>(std::string_view)>;

class HttpSession {
 public:
  // `ca_pem` has the authorities that are trusted besides the system's; it may be empty. A text without a
  // certificate is a failure of each request by https.
  HttpSession(const HttpLimits& limits, std::string ca_pem, std::stop_token stop);
  ~HttpSession();

  // Any answer but redirects is a response; there is a failure where there is none.
  Result<HttpResponse> send(const HttpRequest& request, const HttpSink& sink);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a status that is no success means for whoever asked for this URL.
Failure failure_of(const HttpResponse& response);

// IPv4 and IPv6 addresses that nothing is fetched from.
bool is_refused_address(const sockaddr& address);

// "ghcr.io" or "localhost:5000" of a URL.
std::string host_of(std::string_view url);

}  // namespace sluice::wasm

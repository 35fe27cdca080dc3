// A request as a client sends it, and what Envoy makes of it before it looks at routes.
//
// Routes do not see the path that was sent: "%2f" and "\" are slashes, ".", ".." and "..;a" are walked,
// slashes are merged, some escapes are undone. arrive() does what our connection managers are told to do (see
// xds/listener.cc), so that everything after it compares as Envoy compares.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_key.h"
#include "ir/ir.h"

namespace sluice::explain {

enum class Scheme : std::uint8_t { kHttp, kHttps, kTls, kTcp, kUdp };

// "http".
std::string_view name_of(Scheme scheme);

struct Request {
  Scheme scheme = Scheme::kHttp;
  std::uint16_t port = 80;  // where it is sent
  std::string method = "GET";
  std::string address;     // the host of the URL, with its port where there is one
  std::string authority;   // what Host says
  std::string path = "/";  // with its query
  std::vector<ir::Header> headers;
  std::string sni;  // in lower case; empty: the client names no server
  // Of this Gateway; otherwise of every proxy that listens on the port.
  std::optional<NamespacedName> gateway;

  bool tls() const { return scheme == Scheme::kHttps || scheme == Scheme::kTls; }
  bool http() const { return scheme == Scheme::kHttp || scheme == Scheme::kHttps; }
};

// "https://app.example.com:8443/a?b=c", "tls://app.example.com:8443", "tcp://db:5432", "udp://dns:53". A name
// is the SNI of a TLS connection, an address is not. A user and a password are refused: they are no part of
// what is sent. What is wrong with the URL otherwise.
std::expected<Request, std::string> read_url(std::string_view url);

// For messages: whatever stands where a user and a password would is left out.
std::string without_user(std::string_view url);

// A header as -H of curl has it: "Name: value". "Host" is what the request asks for, whatever the URL says.
std::expected<void, std::string> add_header(std::string_view text, Request& request);

// "GET https://a.example:8443/x, Host b.example, SNI c.example": Host and SNI where they are not the URL's.
std::string to_string(const Request& request);

// A method that Envoy's parser of HTTP/1.1 takes with a path. Letter case counts.
bool is_known_method(std::string_view method);

// What routes are compared with.
struct Arrival {
  std::string host;   // lower case, without a port
  std::string path;   // without the query, normalised
  std::string query;  // with its question mark, or empty
  std::string method;
  using Values = std::map<std::string, std::vector<std::string>, std::less<>>;
  Values headers;       // by name in lower case
  Values query_params;  // by name; of several, only the first counts. Nothing is decoded

  std::string upgrade;  // what the connection is to become, in lower case; or empty
  bool grpc = false;    // Envoy's own answers are of gRPC: status 200, and another in grpc-status

  // Not 0: routes are not asked, this is the answer.
  std::uint16_t status = 0;
  std::string why;       // of the status, for people
  std::string location;  // of a redirect

  // Unless there is an answer already.
  void answer(std::uint16_t with, std::string because);
};

Arrival arrive(const Request& request);

}  // namespace sluice::explain

// The client's side of TLS: whom it trusts and what it shows.
//
// TLS 1.2 or newer. The server's certificate has to be for the name, or the address, that it is asked for;
// what else may be wrong with it is OpenSSL's sentence.
//
// Threads: a context is made on any thread and used by one at a time.
#pragma once

#include <expected>
#include <memory>
#include <string>

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace sluice::tls {

struct FreeContext {
  void operator()(SSL_CTX* context) const;
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

struct ClientOptions {
  std::string authorities = {};  // in PEM; empty: the system's
  bool verify = true;            // else any certificate will do
  std::string certificate = {};  // in PEM, for servers that ask who we are; empty: none
  std::string key = {};
};

// For HTTP/1.1. Errors are sentences.
std::expected<Context, std::string> make_client_context(const ClientOptions& options);

// To be called before the handshake: the name that is asked for, and that the certificate has to be for.
bool expect_server(SSL* connection, const std::string& name, bool verify);

// After a handshake that failed: why the server's certificate is not trusted, or empty if that is not it.
std::string why_not_trusted(const SSL* connection);

}  // namespace sluice::tls

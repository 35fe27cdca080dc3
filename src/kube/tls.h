// The client's side of TLS to an API server: whom it trusts and what it shows.
//
// TLS 1.2 or newer, as API servers have it. The server's certificate has to be for the name, or the address,
// that it is asked for; what else may be wrong with it is OpenSSL's sentence.
//
// Threads: a context is made on any thread and used by one at a time.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "kube/access.h"
#include "kube/credential.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace sluice::kube {

struct FreeTlsContext {
  void operator()(SSL_CTX* context) const;
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTlsContext>;

// `authorities` in PEM; empty: the system's. Errors are sentences.
std::expected<TlsContext, std::string> make_tls_context(const std::string& authorities, bool insecure,
                                                        const Credential& credential);

// To be called before the handshake: the name that is asked for, and that the certificate has to be for.
bool expect_server(SSL* connection, const std::string& name, bool insecure);

// After a handshake that failed: why the server's certificate is not trusted, or empty if that is not it.
std::string why_not_trusted(const SSL* connection);

}  // namespace sluice::kube

#include "tls/client.h"

#include <cstddef>
#include <optional>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace sluice::tls {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> bio_of(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Owned<X509> next_certificate(BIO* text) {
  return Owned<X509>(PEM_read_bio_X509(text, nullptr, nullptr, nullptr));
}

// Never asks anybody for a password.
int no_password(char*, int, int, void*) { return 0; }

bool trust(SSL_CTX* context, const std::string& authorities) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  const Owned<BIO> text = bio_of(authorities);
  bool any = false;
  while (const Owned<X509> certificate = next_certificate(text.get())) {
    any = true;
    X509_STORE_add_cert(store, certificate.get());  // one that is there already is no fault
  }
  return any;
}

bool use_certificate(SSL_CTX* context, const std::string& certificates) {
  const Owned<BIO> text = bio_of(certificates);
  const Owned<X509> own = next_certificate(text.get());
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  while (const Owned<X509> link = next_certificate(text.get())) {
    if (SSL_CTX_add1_chain_cert(context, link.get()) != 1) return false;
  }
  return true;
}

bool use_key(SSL_CTX* context, const std::string& key) {
  const Owned<BIO> text = bio_of(key);
  const Owned<EVP_PKEY> read(PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr));
  return read && SSL_CTX_use_PrivateKey(context, read.get()) == 1;
}

bool is_address(const std::string& name) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// What is wrong, if anything.
std::optional<std::string> fill(SSL_CTX* context, const ClientOptions& options) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // most connections are silent most of the time
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  constexpr unsigned char kProtocols[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols - 1);
  if (options.authorities.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (!trust(context, options.authorities)) {
    return "the certificate authority of the server is no certificate in PEM";
  }
  if (options.certificate.empty()) return std::nullopt;
  if (!use_certificate(context, options.certificate)) return "the client certificate is none in PEM";
  if (!use_key(context, options.key)) return "the client certificate's key is none in PEM, or not its own";
  if (SSL_CTX_check_private_key(context) != 1) return "the client certificate and its key do not go together";
  return std::nullopt;
}

}  // namespace

void FreeContext::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

std::expected<Context, std::string> make_client_context(const ClientOptions& options) {
  Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) return std::unexpected("OpenSSL has no memory for another context");
  std::optional<std::string> fault = fill(context.get(), options);
  ERR_clear_error();  // reading PEM ends with one
  if (fault) return std::unexpected(*std::move(fault));
  return context;
}

bool expect_server(SSL* connection, const std::string& name, bool verify) {
  if (is_address(name)) {
    return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), name.c_str()) == 1;
  }
  std::string shown = name;  // as OpenSSL's macro does, whose cast is one of C
  if (SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, shown.data()) != 1) {
    return false;
  }
  return !verify || SSL_set1_host(connection, name.c_str()) == 1;
}

std::string why_not_trusted(const SSL* connection) {
  const long result = SSL_get_verify_result(connection);
  return result == X509_V_OK ? std::string() : X509_verify_cert_error_string(result);
}

}  // namespace sluice::tls

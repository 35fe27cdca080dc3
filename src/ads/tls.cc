#include "ads/tls.h"

#include <utility>

// gRPC has no way to say which versions of TLS are taken where certificates may change. But it asks itself for
// the cipher suites of TLS 1.2 (those of 1.3 are others, and always there) by this symbol, so that ours is
// what it gets, for the whole process: one that needs a shared key, which nobody has. So no handshake of TLS
// 1.2 finds a suite. A test holds it.
const char* grpc_get_ssl_cipher_suites();
const char* grpc_get_ssl_cipher_suites() { return "PSK-AES256-GCM-SHA384"; }

namespace sluice::ads {

TlsCredentials::TlsCredentials(pki::Credentials credentials)
    : credentials_(std::move(credentials)),
      core_(grpc_ssl_server_credentials_create_with_options(
          grpc_ssl_server_credentials_create_options_using_config_fetcher(
              GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY, fetch, this))) {}

TlsCredentials::~TlsCredentials() { grpc_server_credentials_release(core_); }

void TlsCredentials::replace(pki::Credentials credentials) {
  const std::lock_guard lock(mutex_);
  if (credentials == credentials_) return;
  credentials_ = std::move(credentials);
  is_new_ = true;
}

grpc_ssl_certificate_config_reload_status TlsCredentials::fetch(void* self,
                                                                grpc_ssl_server_certificate_config** config) {
  auto* const credentials = static_cast<TlsCredentials*>(self);
  const std::lock_guard lock(credentials->mutex_);
  if (!std::exchange(credentials->is_new_, false)) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const pki::Credentials& now = credentials->credentials_;
  const grpc_ssl_pem_key_cert_pair pair{.private_key = now.own.key.c_str(),
                                        .cert_chain = now.own.certificate.c_str()};
  *config = grpc_ssl_server_certificate_config_create(now.authorities.c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

int TlsCredentials::AddPortToServer(const std::string& address, grpc_server* server) {
  return grpc_server_add_http2_port(server, address.c_str(), core_);
}

}  // namespace sluice::ads

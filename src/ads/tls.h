// TLS for gRPC's server, by certificates that may be replaced at any time: a handshake takes those that are
// the newest when it begins, and connections that there are go on.
//
// TLS 1.3 only. A client may show a certificate, which then has to be by one of the authorities; whether it
// has to is for whoever looks at the stream.
//
// gRPC's own provider that watches files cannot be given certificates from elsewhere, and takes what it finds
// there unseen; so this uses gRPC's way below that, which asks before each handshake. It replaces them without
// a lock: that is right where it accepts from one socket alone, so without SO_REUSEPORT.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include "pki/pki.h"

namespace sluice::ads {

class TlsCredentials final : public grpc::ServerCredentials {
 public:
  // Without fault (pki::fault_of), as all that follow.
  explicit TlsCredentials(pki::Credentials credentials);
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;
  ~TlsCredentials() override;

  void replace(pki::Credentials credentials);

  // There is none: who calls is looked at stream by stream.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  static grpc_ssl_certificate_config_reload_status fetch(void* self,
                                                         grpc_ssl_server_certificate_config** config);
  int AddPortToServer(const std::string& address, grpc_server* server) override;

  std::mutex mutex_;
  pki::Credentials credentials_;
  bool is_new_ = true;  // gRPC has not asked since it was set
  grpc_server_credentials* core_;
};

}  // namespace sluice::ads

#include "ads/channel_test.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace sluice::ads {

std::shared_ptr<grpc::Channel> unix_channel(const std::string& path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments);
}

std::shared_ptr<grpc::Channel> tls_channel(std::uint16_t port, const std::string& authorities,
                                           const std::optional<pki::Pair>& own) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetSslTargetNameOverride("sluice");
  grpc::SslCredentialsOptions options{.pem_root_certs = authorities, .pem_private_key = {}, .pem_cert_chain = {}};
  if (own) {
    options.pem_private_key = own->key;
    options.pem_cert_chain = own->certificate;
  }
  return grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", port), grpc::SslCredentials(options),
                                   arguments);
}

}  // namespace sluice::ads

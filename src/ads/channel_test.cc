#include "ads/channel_test.h"

#include <grpcpp/create_channel.h>

namespace sluice::ads {

std::shared_ptr<grpc::Channel> unix_channel(const std::string& path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace sluice::ads

// A client's channel for the tests.
//
// Apart from the tests, because gRPC's headers for channels, seen together with those for synchronous
// streams, need another library of gRPC's at -O2.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>

namespace sluice::ads {

std::shared_ptr<grpc::Channel> unix_channel(const std::string& path);

}  // namespace sluice::ads

// A client's channel for the tests.
//
// Apart from the tests, because gRPC's headers for channels, seen together with those for synchronous
// streams, need another library of gRPC's at -O2.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/channel.h>

#include "pki/pki.h"

namespace sluice::ads {

std::shared_ptr<grpc::Channel> unix_channel(const std::string& path);

// To a server of the name "sluice" whose certificate is by one of the authorities; with a certificate to show
// or without.
std::shared_ptr<grpc::Channel> tls_channel(std::uint16_t port, const std::string& authorities,
                                           const std::optional<pki::Pair>& own);

}  // namespace sluice::ads

// Services that Envoy itself calls by gRPC.
//
// Threads: pure functions.
#pragma once

#include "ir/telemetry.h"

namespace envoy::config::core::v3 {
class GrpcService;
class TypedExtensionConfig;
}  // namespace envoy::config::core::v3

namespace sluice::xds {

void fill_grpc_call(const ir::GrpcCall& from, envoy::config::core::v3::GrpcService* to);

// What is said about the proxy to OpenTelemetry: not for empty attributes.
void fill_resource(const ir::TextMap& attributes, envoy::config::core::v3::TypedExtensionConfig* to);

}  // namespace sluice::xds

// envoy.filters.http.grpc_web, which lets browsers call, and envoy.filters.http.grpc_stats: wherever a
// GRPCRoute is.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_grpc_web(const ir::HttpChain& chain, HttpConnectionManager* to);
void add_grpc_stats(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

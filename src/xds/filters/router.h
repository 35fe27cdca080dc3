// envoy.filters.http.router: every chain has one.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_router(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

// WebAssembly modules of users.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_wasm(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

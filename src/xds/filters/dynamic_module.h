// Shared libraries of users.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_dynamic_modules(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

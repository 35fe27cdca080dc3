// Services that see requests and answers, and change them.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_ext_proc(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

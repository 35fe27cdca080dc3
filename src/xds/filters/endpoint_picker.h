// Who decides which endpoint of an InferencePool a request goes to, by the Inference Extension's endpoint
// picker protocol (docs/proposals/004): a service, or our own module inside Envoy, which says it by the same
// names.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_endpoint_pickers(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

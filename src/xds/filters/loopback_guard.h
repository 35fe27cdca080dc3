// Keeps requests whose host says where they go (clusters of Discovery::kDynamic) from the proxy's own
// machine: its admin interface, and whatever else listens there for friends only.
#pragma once

#include <string>

#include "xds/filters/order.h"

namespace sluice::xds {

void add_loopback_guard(const ir::HttpChain& chain, HttpConnectionManager* to);

void append_loopback_guard(std::string_view host, const ir::Route& route, std::string& out);

}  // namespace sluice::xds

// envoy.filters.http.stateful_session: requests of one session go to one endpoint.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_stateful_session(const ir::HttpChain& chain, HttpConnectionManager* to);
void append_stateful_session(std::string_view host, const ir::Route& route, std::string& out);

}  // namespace sluice::xds

// envoy.filters.http.cors: answers preflights, and says who may read an answer.
#pragma once

#include "xds/filters/order.h"

namespace sluice::xds {

void add_cors(const ir::HttpChain& chain, HttpConnectionManager* to);
void append_cors(std::string_view host, const ir::Route& route, std::string& out);

}  // namespace sluice::xds

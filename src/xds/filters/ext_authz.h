// Services that decide which requests may pass.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xds/filters/order.h"

namespace sluice::xds {

void add_ext_authz(const ir::HttpChain& chain, HttpConnectionManager* to);

// Regular expressions (RE2, of the whole text), one of which takes each name that is none of these and does
// not begin with a colon. Names are in lower case. Each is within the 100 instructions that Envoy grants
// where nobody says otherwise.
std::vector<std::string> regexes_of_other_names(std::span<const std::string_view> names);

}  // namespace sluice::xds

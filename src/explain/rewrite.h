// What becomes of a request's path and host on its way, as xds/virtual_host.cc tells Envoy to do it.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "explain/request.h"
#include "ir/ir.h"

namespace sluice::explain {

// The path with its query, after a rewrite of a route that matched so.
std::string rewritten_path(const ir::PathRewrite& rewrite, const ir::PathMatch& match,
                           const Arrival& arrival);

// The Location of a redirect.
std::string location(const ir::Redirect& redirect, const ir::PathMatch& match, const Request& request,
                     const Arrival& arrival);

}  // namespace sluice::explain

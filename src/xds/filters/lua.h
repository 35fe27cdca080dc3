// Scripts of users.
#pragma once

#include "xds/filters/order.h"

namespace envoy::extensions::filters::http::lua::v3 {
class LuaPerRoute;
}

namespace sluice::xds {

void add_lua(const ir::HttpChain& chain, HttpConnectionManager* to);

// What a script is told of the route.
envoy::extensions::filters::http::lua::v3::LuaPerRoute lua_on_route(const ir::ExtensionUse& use);

}  // namespace sluice::xds

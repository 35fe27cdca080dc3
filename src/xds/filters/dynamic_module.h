// Shared libraries that Envoy loads: those of users, and our own.
#pragma once

#include <string>

#include "xds/filters/order.h"

namespace sluice::xds {

// Adds one under this name, switched off.
void add_dynamic_module(const std::string& name, const ir::DynamicModule& module, HttpConnectionManager* to);

void add_dynamic_modules(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

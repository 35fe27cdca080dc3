// Shared libraries that Envoy loads: those of users, and our own.
#pragma once

#include <string>

#include "envoy/config/core/v3/extension.pb.h"

#include "xds/filters/order.h"

namespace sluice::xds {

// Adds one under this name, switched off.
void add_dynamic_module(const std::string& name, const ir::DynamicModule& module, HttpConnectionManager* to);

// The same of one whose configuration comes by itself, and that configuration. The listener waits for the
// first one, and serves on while later ones come.
void add_discovered_module(const std::string& name, HttpConnectionManager* to);
envoy::config::core::v3::TypedExtensionConfig discovered_module(const std::string& name,
                                                                const ir::DynamicModule& module);

void add_dynamic_modules(const ir::HttpChain& chain, HttpConnectionManager* to);

}  // namespace sluice::xds

// Who decides which endpoint of an InferencePool a request goes to, by the Inference Extension's endpoint
// picker protocol (docs/proposals/004): a service, or our own module inside Envoy, which says it by the same
// names.
#pragma once

#include <string_view>

#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/extensions/filters/http/ext_proc/v3/ext_proc.pb.h"

#include "xds/filters/order.h"

namespace sluice::xds {

// A filter in front of pickers that are services, on where one of them is. (A module takes away itself what
// clients say in its place.)
inline constexpr std::string_view kPickerGuard = "envoy.filters.http.header_mutation.endpoint_picker";

void add_endpoint_pickers(const ir::HttpChain& chain, HttpConnectionManager* to);

// One that is discovered: its name, and the module with its configuration.
envoy::config::core::v3::TypedExtensionConfig discovered_picker(const ir::Extension& extension);

// Of a route on which a picker sees less of answers than the filter says.
envoy::extensions::filters::http::ext_proc::v3::ExtProcPerRoute picker_on_route(const ir::ExtensionUse& use);

}  // namespace sluice::xds

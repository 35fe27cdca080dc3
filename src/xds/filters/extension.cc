#include "xds/filters/extension.h"

#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/lua/v3/lua.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "xds/filters/endpoint_picker.h"
#include "xds/filters/lua.h"

namespace sluice::xds {

void add_extension(const std::string& name, const google::protobuf::Message& config,
                   HttpConnectionManager* to) {
  add_filter(name, config, to);
  to->mutable_http_filters(to->http_filters_size() - 1)->set_disabled(true);
}

void append_extensions(std::string_view /*host*/, const ir::Route& route, std::string& out) {
  if (!route.action->extensions) return;
  envoy::config::route::v3::FilterConfig on;
  on.mutable_config();
  for (const ir::ExtensionUse& use : *route.action->extensions) {
    if (use.name.starts_with(ir::kEndpointPicker)) append_route_config(kPickerGuard, on, out);
    if (!use.lua_context.empty()) {
      append_route_config(use.name, lua_on_route(use), out);
    } else if (use.answers != ir::AnswersShown::kAll) {
      append_route_config(use.name, picker_on_route(use), out);
    } else {
      append_route_config(use.name, on, out);
    }
  }
}

}  // namespace sluice::xds

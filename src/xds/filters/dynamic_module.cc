#include "xds/filters/dynamic_module.h"

#include <fmt/format.h>

#include "envoy/extensions/dynamic_modules/v3/dynamic_modules.pb.h"
#include "envoy/extensions/filters/http/dynamic_modules/v3/dynamic_modules.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "google/protobuf/wrappers.pb.h"

#include "xds/filters/extension.h"
#include "xds/filters/module_source.h"
#include "xds/tls.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using Filter = envoy::extensions::filters::http::dynamic_modules::v3::DynamicModuleFilter;

// It is always there; where a proxy refuses it, the listener is not held up longer.
constexpr ir::Duration kConfigTimeout{5'000};

void render(const ir::DynamicModule& from, Filter* to) {
  auto* module = to->mutable_dynamic_module_config();
  fill_module(from.path, from.uri, from.cluster, from.sha256, module->mutable_module());
  module->set_do_not_close(from.do_not_close);
  module->set_load_globally(from.load_globally);
  // Not `terminal_filter`, for that is one at the end of its chain, which the router is. Any may answer.
  to->set_filter_name(from.filter);
  if (from.config.empty()) return;
  google::protobuf::StringValue config;
  config.set_value(from.config);
  pack(config, to->mutable_filter_config());
}

}  // namespace

void add_dynamic_module(const std::string& name, const ir::DynamicModule& module, HttpConnectionManager* to) {
  Filter filter;
  render(module, &filter);
  add_extension(name, filter, to);
}

void add_discovered_module(const std::string& name, HttpConnectionManager* to) {
  auto* filter = to->add_http_filters();
  filter->set_name(name);
  filter->set_disabled(true);
  auto* discovery = filter->mutable_config_discovery();
  fill_ads(kConfigTimeout, discovery->mutable_config_source());
  discovery->add_type_urls(fmt::format("type.googleapis.com/{}", Filter::descriptor()->full_name()));
}

envoy::config::core::v3::TypedExtensionConfig discovered_module(const std::string& name,
                                                                const ir::DynamicModule& module) {
  Filter filter;
  render(module, &filter);
  envoy::config::core::v3::TypedExtensionConfig extension;
  extension.set_name(name);
  pack(filter, extension.mutable_typed_config());
  return extension;
}

void add_dynamic_modules(const ir::HttpChain& chain, HttpConnectionManager* to) {
  add_extensions(chain, to, render);
}

}  // namespace sluice::xds

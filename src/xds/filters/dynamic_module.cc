#include "xds/filters/dynamic_module.h"

#include "envoy/extensions/dynamic_modules/v3/dynamic_modules.pb.h"
#include "envoy/extensions/filters/http/dynamic_modules/v3/dynamic_modules.pb.h"
#include "google/protobuf/wrappers.pb.h"

#include "xds/filters/extension.h"
#include "xds/filters/module_source.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

void render(const ir::DynamicModule& from,
            envoy::extensions::filters::http::dynamic_modules::v3::DynamicModuleFilter* to) {
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
  envoy::extensions::filters::http::dynamic_modules::v3::DynamicModuleFilter filter;
  render(module, &filter);
  add_extension(name, filter, to);
}

void add_dynamic_modules(const ir::HttpChain& chain, HttpConnectionManager* to) {
  add_extensions(chain, to, render);
}

}  // namespace sluice::xds

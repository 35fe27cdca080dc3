#include "xds/filters/wasm.h"

#include "envoy/extensions/filters/http/wasm/v3/wasm.pb.h"
#include "envoy/extensions/wasm/v3/wasm.pb.h"
#include "google/protobuf/wrappers.pb.h"

#include "xds/filters/extension.h"
#include "xds/filters/module_source.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

void render(const ir::Wasm& from, envoy::extensions::filters::http::wasm::v3::Wasm* to) {
  auto* plugin = to->mutable_config();
  plugin->set_name(from.name);
  plugin->set_root_id(from.root_id);
  // Envoy's newer field for it says the same, and Envoy Gateway still sets this one.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  plugin->set_fail_open(from.fail_open);
#pragma GCC diagnostic pop
  if (from.body_behind_held_headers) plugin->mutable_allow_on_headers_stop_iteration()->set_value(true);
  google::protobuf::StringValue config;
  config.set_value(from.config);
  pack(config, plugin->mutable_configuration());
  auto* vm = plugin->mutable_vm_config();
  vm->set_vm_id(from.vm);
  vm->set_runtime("envoy.wasm.runtime.v8");
  fill_module(from.path, from.uri, from.cluster, from.sha256, vm->mutable_code());
  for (const std::string& key : from.host_env_keys)
    vm->mutable_environment_variables()->add_host_env_keys(key);
}

}  // namespace

void add_wasm(const ir::HttpChain& chain, HttpConnectionManager* to) { add_extensions(chain, to, render); }

}  // namespace sluice::xds

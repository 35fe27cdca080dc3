#include "xds/filters/endpoint_picker.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb.h"

#include "xds/duration.h"
#include "xds/filters/dynamic_module.h"
#include "xds/filters/extension.h"
#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

namespace ext_proc_v3 = envoy::extensions::filters::http::ext_proc::v3;
using Mode = ext_proc_v3::ProcessingMode;

// A request may wait for a server to be free.
constexpr ir::Duration kDecideWithin{30'000};

void render(bool streamed, ir::AnswersShown answers, Mode* mode) {
  const auto sent = [](bool is_sent) { return is_sent ? Mode::SEND : Mode::SKIP; };
  const bool bodies = answers == ir::AnswersShown::kAll;
  mode->set_request_header_mode(Mode::SEND);
  mode->set_request_body_mode(streamed ? Mode::FULL_DUPLEX_STREAMED : Mode::BUFFERED);
  mode->set_request_trailer_mode(sent(streamed));
  mode->set_response_header_mode(sent(answers != ir::AnswersShown::kNone));
  mode->set_response_body_mode(!bodies ? Mode::NONE : streamed ? Mode::FULL_DUPLEX_STREAMED : Mode::STREAMED);
  mode->set_response_trailer_mode(sent(bodies));
}

// The call is as long as the request and its answer: it has no time limit of its own.
void render(const ir::EndpointPicker& from, ext_proc_v3::ExternalProcessor* to) {
  auto* service = to->mutable_grpc_service()->mutable_envoy_grpc();
  service->set_cluster_name(from.cluster);
  service->set_authority(from.authority);
  to->set_failure_mode_allow(from.fail_open);
  to->mutable_status_on_error()->set_code(envoy::type::v3::ServiceUnavailable);
  fill_duration(kDecideWithin, to->mutable_message_timeout());
  render(from.streamed, ir::AnswersShown::kAll, to->mutable_processing_mode());
  auto* metadata = to->mutable_metadata_options();
  for (const std::string_view name : {ir::kPickedNamespace, ir::kSubsetNamespace}) {
    metadata->mutable_forwarding_namespaces()->add_untyped(std::string(name));
  }
  metadata->mutable_receiving_namespaces()->add_untyped(std::string(ir::kPickedNamespace));
}

// What only a picker says, nobody else may: where none answers and requests go on, servers would take it from
// a client whom to fetch from.
void add_guard(HttpConnectionManager* to) {
  envoy::extensions::filters::http::header_mutation::v3::HeaderMutation guard;
  for (const std::string_view header : {ir::kPickedEndpoint, ir::kPickedPrefiller}) {
    guard.mutable_mutations()->add_request_mutations()->set_remove(std::string(header));
  }
  add_extension(std::string(kPickerGuard), guard, to);
}

// One thread of the module's asks the servers of all pools, so it stays once it is there.
ir::DynamicModule module_of(const ir::EndpointPicker& picker) {
  return {.module = {},
          .path = picker.module,
          .uri = picker.uri,
          .cluster = picker.uri_cluster,
          .sha256 = picker.sha256,
          .filter = "picker",
          .config = picker.config,
          .do_not_close = true};
}

}  // namespace

ext_proc_v3::ExtProcPerRoute picker_on_route(const ir::ExtensionUse& use) {
  ext_proc_v3::ExtProcPerRoute config;
  render(use.streamed, use.answers, config.mutable_overrides()->mutable_processing_mode());
  return config;
}

envoy::config::core::v3::TypedExtensionConfig discovered_picker(const ir::Extension& extension) {
  return discovered_module(extension.name, module_of(std::get<ir::EndpointPicker>(extension.filter)));
}

void add_endpoint_pickers(const ir::HttpChain& chain, HttpConnectionManager* to) {
  bool guarded = false;
  for (const ir::ExtensionPtr& extension : chain.extensions) {
    const auto* picker = std::get_if<ir::EndpointPicker>(&extension->filter);
    if (picker == nullptr) continue;
    if (picker->discovered) {
      add_discovered_module(extension->name, to);
    } else if (!picker->is_inside()) {
      if (!std::exchange(guarded, true)) add_guard(to);
      ext_proc_v3::ExternalProcessor service;
      render(*picker, &service);
      add_extension(extension->name, service, to);
    } else {
      add_dynamic_module(extension->name, module_of(*picker), to);
    }
  }
}

std::string render_extension(const ir::Extension& extension) {
  return serialize(discovered_picker(extension));
}

}  // namespace sluice::xds

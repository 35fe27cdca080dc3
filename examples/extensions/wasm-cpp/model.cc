// The example job (../model/model.h) as a WebAssembly filter in C++.
//
// Envoy runs one instance of this module in each of its threads, and calls the exported functions below. A
// context is an HTTP request; this filter has to remember nothing about it. The body comes in pieces, and
// Envoy keeps them while the filter returns kPause: when the last has come, all of it is looked at at once.
#include "model.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy_wasm.h"

using proxy_wasm::Action;

namespace {

model::Settings settings;

Action on_whole_request() {
  const proxy_wasm::Bytes body(proxy_wasm::Buffer::kRequestBody);
  const std::string name = model::model_of(body.view());
  if (const std::optional<model::Refusal> refusal = model::refusal_of(name, settings)) {
    proxy_wasm::send_json(refusal->status, refusal->body, "model");
    return Action::kPause;
  }
  if (!name.empty()) proxy_wasm::set_request_header(model::kHeader, name);
  return Action::kContinue;
}

}  // namespace

PROXY_WASM_EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}

// Envoy gets memory here for what it hands over; proxy_wasm::Bytes gives it back.
PROXY_WASM_EXPORT(proxy_on_memory_allocate) void* proxy_on_memory_allocate(std::size_t size) {
  return std::malloc(size);
}

PROXY_WASM_EXPORT(proxy_on_context_create) void proxy_on_context_create(int /*context*/, int /*parent*/) {}

// The field `config` of the policy. False: Envoy takes no configuration with this filter.
PROXY_WASM_EXPORT(proxy_on_configure) bool proxy_on_configure(int /*context*/, std::size_t /*size*/) {
  const proxy_wasm::Bytes text(proxy_wasm::Buffer::kPluginConfiguration);
  std::optional<model::Settings> read = model::read_settings(text.view());
  if (!read) {
    proxy_wasm::log_error("model: the config has to be {\"forbidden\": [\"…\"], \"requireModel\": false}");
    return false;
  }
  settings = *std::move(read);
  return true;
}

PROXY_WASM_EXPORT(proxy_on_request_headers)
Action proxy_on_request_headers(int /*context*/, int /*headers*/, bool end_of_stream) {
  proxy_wasm::remove_request_header(model::kHeader);  // which is ours alone to set
  return end_of_stream ? on_whole_request() : Action::kPause;
}

PROXY_WASM_EXPORT(proxy_on_request_body)
Action proxy_on_request_body(int /*context*/, std::size_t /*size*/, bool end_of_stream) {
  return end_of_stream ? on_whole_request() : Action::kPause;
}

// A body that is followed by trailers ends here.
PROXY_WASM_EXPORT(proxy_on_request_trailers)
Action proxy_on_request_trailers(int /*context*/, int /*trailers*/) { return on_whole_request(); }

// The example job (../model/model.h) as a dynamic module: a shared library in Envoy's own process.
//
// Envoy calls the hooks below in each of its threads, so that the settings are never changed once they are
// read. The body comes in pieces, and Envoy keeps them while a hook returns StopIteration…: when the last has
// come, all of it is looked at at once.
#include "model.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "module_abi/envoy_module.h"
#include "module_abi/unused_hooks.h"

namespace {

envoy::Bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }

void append(envoy::Filter filter, envoy::Body part, std::string& body) {
  std::vector<envoy::Bytes> chunks(envoy_dynamic_module_callback_http_get_body_chunks_size(filter, part));
  if (chunks.empty()) return;
  envoy_dynamic_module_callback_http_get_body_chunks(filter, part, chunks.data());
  for (const envoy::Bytes& chunk : chunks) body.append(chunk.data, chunk.size);
}

std::string body_of(envoy::Filter filter) {
  std::string body;
  append(filter, envoy::Body::kBufferedRequest, body);
  if (!envoy_dynamic_module_callback_http_received_buffered_request_body(filter)) {
    append(filter, envoy::Body::kReceivedRequest, body);
  }
  return body;
}

// False if the client has got its answer.
bool on_whole_request(envoy::Filter filter, const model::Settings& settings) {
  const std::string name = model::model_of(body_of(filter));
  if (const std::optional<model::Refusal> refusal = model::refusal_of(name, settings)) {
    const envoy::Header type{bytes_of("content-type"), bytes_of("application/json")};
    envoy_dynamic_module_callback_http_send_response(filter, static_cast<std::uint32_t>(refusal->status),
                                                     &type, 1, bytes_of(refusal->body), bytes_of("model"));
    return false;
  }
  if (!name.empty()) {
    envoy_dynamic_module_callback_http_set_header(filter, envoy::HeaderMap::kRequest,
                                                  bytes_of(model::kHeader), bytes_of(name));
  }
  return true;
}

}  // namespace

ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_program_init() { return envoy::kAbiVersion; }

// ---- the configuration: `filterName` and `config` of the policy
// --------------------------------------------------

// Null: Envoy takes no configuration with this filter.
ENVOY_MODULE_EXPORT const model::Settings* envoy_dynamic_module_on_http_filter_config_new(
    void* /*envoy*/, envoy::Bytes name, envoy::Bytes config) {
  if (std::string_view(name.data, name.size) != "model") return nullptr;
  std::optional<model::Settings> settings = model::read_settings({config.data, config.size});
  return settings ? new model::Settings(*std::move(settings)) : nullptr;
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_config_destroy(const model::Settings* settings) {
  delete settings;
}

// ---- a request: there is nothing to remember but the settings
// -----------------------------------------------------

ENVOY_MODULE_EXPORT const model::Settings* envoy_dynamic_module_on_http_filter_new(
    const model::Settings* settings, envoy::Filter) {
  return settings;
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_destroy(const model::Settings*) {}

ENVOY_MODULE_EXPORT envoy::HeadersStatus envoy_dynamic_module_on_http_filter_request_headers(
    envoy::Filter filter, const model::Settings* settings, bool end_of_stream) {
  // The header is ours alone to set.
  envoy_dynamic_module_callback_http_set_header(filter, envoy::HeaderMap::kRequest, bytes_of(model::kHeader),
                                                {});
  if (end_of_stream && on_whole_request(filter, *settings)) return envoy::HeadersStatus::kContinue;
  return envoy::HeadersStatus::kStopIteration;
}

ENVOY_MODULE_EXPORT envoy::BodyStatus envoy_dynamic_module_on_http_filter_request_body(
    envoy::Filter filter, const model::Settings* settings, bool end_of_stream) {
  if (end_of_stream && on_whole_request(filter, *settings)) return envoy::BodyStatus::kContinue;
  return envoy::BodyStatus::kStopIterationAndBuffer;
}

// A body that is followed by trailers ends here.
ENVOY_MODULE_EXPORT envoy::TrailersStatus envoy_dynamic_module_on_http_filter_request_trailers(
    envoy::Filter filter, const model::Settings* settings) {
  return on_whole_request(filter, *settings) ? envoy::TrailersStatus::kContinue
                                             : envoy::TrailersStatus::kStopIteration;
}

// ---- what this filter has nothing to do with, but Envoy asks for
// --------------------------------------------------

ENVOY_MODULE_EXPORT envoy::HeadersStatus envoy_dynamic_module_on_http_filter_response_headers() {
  return envoy::HeadersStatus::kContinue;
}
ENVOY_MODULE_EXPORT envoy::BodyStatus envoy_dynamic_module_on_http_filter_response_body() {
  return envoy::BodyStatus::kContinue;
}
ENVOY_MODULE_EXPORT envoy::TrailersStatus envoy_dynamic_module_on_http_filter_response_trailers() {
  return envoy::TrailersStatus::kContinue;
}

ENVOY_MODULE_UNUSED_HOOK(http_filter_scheduled)

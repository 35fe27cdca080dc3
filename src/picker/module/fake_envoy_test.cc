#include "picker/module/fake_envoy.h"

#include <algorithm>
#include <mutex>

namespace sluice::picker::fake {
namespace {

std::atomic<unsigned> scheduler_count = 0;
std::mutex log_mutex;
std::vector<std::string> log_lines;

std::string string_of(envoy::Bytes bytes) { return std::string(envoy::text_of(bytes)); }
Stream& stream_of(envoy::Filter filter) { return *static_cast<Stream*>(filter); }

Headers& map_of(envoy::Filter filter, envoy::HeaderMap map) {
  Stream& stream = stream_of(filter);
  switch (map) {
    case envoy::HeaderMap::kRequest:
      return stream.request;
    case envoy::HeaderMap::kResponse:
      return stream.response;
    default:
      return stream.trailers;
  }
}

std::vector<std::string>* part_of(envoy::Filter filter, envoy::Body part) {
  Stream& stream = stream_of(filter);
  switch (part) {
    case envoy::Body::kReceivedRequest:
      if (stream.received_is_buffered) return &stream.buffered;
      return stream.received ? &*stream.received : nullptr;
    case envoy::Body::kBufferedRequest:
      return &stream.buffered;
    case envoy::Body::kReceivedResponse:
      return stream.received_response ? &*stream.received_response : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace

unsigned schedulers() { return scheduler_count; }

std::vector<std::string> take_log() {
  const std::lock_guard lock(log_mutex);
  return std::exchange(log_lines, {});
}

Stream::Stream(Pool& pool, bool read_responses)
    : filter_(std::make_unique<HttpFilter>(pool, read_responses, this)) {}

Stream::~Stream() = default;

void Stream::pass(bool end_of_stream) {
  for (const std::string& chunk : std::exchange(buffered, {})) upstream_body_ += chunk;
  if (received && !received_is_buffered)
    for (const std::string& chunk : *received) upstream_body_ += chunk;
  went_on_ = end_of_stream;
}

void Stream::request_headers(Headers headers, bool end_of_stream) {
  request = std::move(headers);
  const auto status = filter_->on_request_headers(end_of_stream);
  ended_ = end_of_stream;
  if (status == envoy::HeadersStatus::kContinue) pass(end_of_stream);
}

void Stream::request_body(std::vector<std::string> chunks, bool end_of_stream) {
  if (reply) return;
  received = std::move(chunks);
  const auto status = filter_->on_request_body(end_of_stream);
  ended_ = end_of_stream;
  if (status == envoy::BodyStatus::kContinue) {
    pass(end_of_stream);
  } else if (status == envoy::BodyStatus::kStopIterationAndBuffer) {
    for (std::string& chunk : *received) buffered.push_back(std::move(chunk));
  }
  received.reset();
}

void Stream::buffered_request_body(std::string body) {
  buffered = {std::move(body)};
  received_is_buffered = true;
  received.emplace();
  const auto status = filter_->on_request_body(true);
  ended_ = true;
  if (status == envoy::BodyStatus::kContinue) pass(true);
  received.reset();
  received_is_buffered = false;
}

void Stream::request_trailers() {
  if (reply) return;
  ended_ = true;
  if (filter_->on_request_trailers() == envoy::TrailersStatus::kContinue) pass(true);
}

void Stream::response_headers(Headers headers, bool end_of_stream) {
  response = std::move(headers);
  filter_->on_response_headers(end_of_stream);
}

void Stream::response_body(std::string chunk, bool end_of_stream) {
  received_response = {std::move(chunk)};
  filter_->on_response_body(end_of_stream);
  received_response.reset();
}

void Stream::response_trailers(Headers sent) {
  trailers = std::move(sent);
  filter_->on_response_trailers();
}

bool Stream::run_scheduled() {
  if (scheduled->count == 0) return false;
  --scheduled->count;
  filter_->on_scheduled();
  if (std::exchange(continued, false)) pass(ended_);
  return true;
}

bool Stream::has_header(std::string_view name) const {
  return std::ranges::any_of(request, [&](const auto& header) { return header.first == name; });
}

std::string Stream::header(std::string_view name) const {
  for (const auto& [key, value] : request) {
    if (key == name) return value;
  }
  return {};
}

std::string Stream::metadata_of(const std::string& name_space, const std::string& key) const {
  const auto space = strings.find(name_space);
  if (space == strings.end()) return {};
  const auto value = space->second.find(key);
  return value == space->second.end() ? std::string() : value->second;
}

}  // namespace sluice::picker::fake

// ---- what the module calls -------------------------------------------------------------------------------

using namespace sluice::picker::fake;  // NOLINT

extern "C" {

void envoy_dynamic_module_callback_log(envoy::LogLevel, envoy::Bytes message) {
  const std::lock_guard lock(log_mutex);
  log_lines.push_back(string_of(message));
}

std::size_t envoy_dynamic_module_callback_http_get_headers_size(envoy::Filter filter, envoy::HeaderMap map) {
  return map_of(filter, map).size();
}

bool envoy_dynamic_module_callback_http_get_headers(envoy::Filter filter, envoy::HeaderMap map,
                                                    envoy::Header* headers) {
  for (const auto& [name, value] : map_of(filter, map))
    *headers++ = {envoy::bytes_of(name), envoy::bytes_of(value)};
  return true;
}

bool envoy_dynamic_module_callback_http_add_header(envoy::Filter filter, envoy::HeaderMap map,
                                                   envoy::Bytes name, envoy::Bytes value) {
  map_of(filter, map).emplace_back(string_of(name), string_of(value));
  return true;
}

bool envoy_dynamic_module_callback_http_set_header(envoy::Filter filter, envoy::HeaderMap map,
                                                   envoy::Bytes name, envoy::Bytes value) {
  Headers& headers = map_of(filter, map);
  std::erase_if(headers, [&](const auto& header) { return header.first == string_of(name); });
  if (value.data != nullptr) headers.emplace_back(string_of(name), string_of(value));
  return true;
}

std::size_t envoy_dynamic_module_callback_http_get_body_chunks_size(envoy::Filter filter, envoy::Body part) {
  const auto* const chunks = part_of(filter, part);
  return chunks == nullptr ? 0 : chunks->size();
}

bool envoy_dynamic_module_callback_http_get_body_chunks(envoy::Filter filter, envoy::Body part,
                                                        envoy::Bytes* bytes) {
  const auto* const chunks = part_of(filter, part);
  if (chunks == nullptr) return false;
  for (const std::string& chunk : *chunks) *bytes++ = envoy::bytes_of(chunk);
  return true;
}

std::size_t envoy_dynamic_module_callback_http_get_body_size(envoy::Filter filter, envoy::Body part) {
  const auto* const chunks = part_of(filter, part);
  std::size_t size = 0;
  if (chunks != nullptr)
    for (const std::string& chunk : *chunks) size += chunk.size();
  return size;
}

bool envoy_dynamic_module_callback_http_drain_body(envoy::Filter filter, envoy::Body part,
                                                   std::size_t bytes) {
  auto* const chunks = part_of(filter, part);
  if (chunks == nullptr) return false;
  while (bytes != 0 && !chunks->empty()) {
    const std::size_t taken = std::min(bytes, chunks->front().size());
    chunks->front().erase(0, taken);
    bytes -= taken;
    if (chunks->front().empty()) chunks->erase(chunks->begin());
  }
  return true;
}

bool envoy_dynamic_module_callback_http_append_body(envoy::Filter filter, envoy::Body part,
                                                    envoy::Bytes data) {
  auto* const chunks = part_of(filter, part);
  if (chunks == nullptr) return false;
  chunks->push_back(string_of(data));
  return true;
}

bool envoy_dynamic_module_callback_http_received_buffered_request_body(envoy::Filter filter) {
  return stream_of(filter).received_is_buffered;
}

std::uint64_t envoy_dynamic_module_callback_http_get_buffer_limit(envoy::Filter filter) {
  return stream_of(filter).buffer_limit;
}

void envoy_dynamic_module_callback_http_set_buffer_limit(envoy::Filter filter, std::uint64_t bytes) {
  stream_of(filter).buffer_limit = bytes;
}

void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(envoy::Filter filter,
                                                                    envoy::Bytes name_space, envoy::Bytes key,
                                                                    envoy::Bytes value) {
  stream_of(filter).strings[string_of(name_space)][string_of(key)] = string_of(value);
}

std::size_t envoy_dynamic_module_callback_http_get_metadata_namespaces_count(envoy::Filter filter,
                                                                             envoy::MetadataSource) {
  return stream_of(filter).strings.size() + stream_of(filter).lists.size();
}

bool envoy_dynamic_module_callback_http_get_metadata_string(envoy::Filter filter, envoy::MetadataSource,
                                                            envoy::Bytes name_space, envoy::Bytes key,
                                                            envoy::Bytes* value) {
  const auto& strings = stream_of(filter).strings;
  const auto space = strings.find(string_of(name_space));
  if (space == strings.end() || !space->second.contains(string_of(key))) return false;
  *value = envoy::bytes_of(space->second.at(string_of(key)));
  return true;
}

bool envoy_dynamic_module_callback_http_get_metadata_list_size(envoy::Filter filter, envoy::MetadataSource,
                                                               envoy::Bytes name_space, envoy::Bytes key,
                                                               std::size_t* size) {
  const auto& lists = stream_of(filter).lists;
  const auto space = lists.find(string_of(name_space));
  if (space == lists.end() || !space->second.contains(string_of(key))) return false;
  *size = space->second.at(string_of(key)).size();
  return true;
}

bool envoy_dynamic_module_callback_http_get_metadata_list_string(envoy::Filter filter, envoy::MetadataSource,
                                                                 envoy::Bytes name_space, envoy::Bytes key,
                                                                 std::size_t index, envoy::Bytes* value) {
  *value = envoy::bytes_of(stream_of(filter).lists.at(string_of(name_space)).at(string_of(key)).at(index));
  return true;
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_string(envoy::Filter filter, envoy::Attribute,
                                                                    envoy::Bytes* value) {
  *value = envoy::bytes_of(stream_of(filter).upstream_address);
  return value->size != 0;
}

void envoy_dynamic_module_callback_http_send_response(envoy::Filter filter, std::uint32_t status,
                                                      const envoy::Header* headers, std::size_t headers_size,
                                                      envoy::Bytes body, envoy::Bytes details) {
  LocalReply& reply = stream_of(filter).reply.emplace();
  reply.status = status;
  for (std::size_t i = 0; i < headers_size; ++i)
    reply.headers.emplace_back(string_of(headers[i].name), string_of(headers[i].value));
  reply.body = string_of(body);
  reply.details = string_of(details);
}

void envoy_dynamic_module_callback_http_filter_continue_decoding(envoy::Filter filter) {
  stream_of(filter).continued = true;
}

envoy::FilterScheduler envoy_dynamic_module_callback_http_filter_scheduler_new(envoy::Filter filter) {
  ++scheduler_count;
  return new std::shared_ptr<Stream::Scheduled>(stream_of(filter).scheduled);
}

void envoy_dynamic_module_callback_http_filter_scheduler_delete(envoy::FilterScheduler scheduler) {
  --scheduler_count;
  delete static_cast<std::shared_ptr<Stream::Scheduled>*>(scheduler);
}

void envoy_dynamic_module_callback_http_filter_scheduler_commit(envoy::FilterScheduler scheduler,
                                                                std::uint64_t /*event*/) {
  ++(*static_cast<std::shared_ptr<Stream::Scheduled>*>(scheduler))->count;
}

void envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(
    envoy::BootstrapConfig config) {
  ++static_cast<Bootstrap*>(config)->initialized;
}

envoy::BootstrapScheduler envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_new(
    envoy::BootstrapConfig config) {
  ++scheduler_count;
  return config;
}

void envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_delete(envoy::BootstrapScheduler) {
  --scheduler_count;
}

void envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_commit(
    envoy::BootstrapScheduler config, std::uint64_t /*event*/) {
  ++static_cast<Bootstrap*>(config)->scheduled;
}

bool envoy_dynamic_module_callback_bootstrap_extension_register_admin_handler(envoy::BootstrapConfig config,
                                                                              envoy::Bytes path_prefix,
                                                                              envoy::Bytes, bool, bool) {
  static_cast<Bootstrap*>(config)->admin_path = string_of(path_prefix);
  return true;
}

void envoy_dynamic_module_callback_bootstrap_extension_admin_set_response(envoy::BootstrapConfig config,
                                                                          envoy::Bytes body) {
  static_cast<Bootstrap*>(config)->admin_body = string_of(body);
}
}

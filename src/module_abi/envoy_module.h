// What of Envoy's ABI for dynamic modules our modules use, as declarations of our own.
//
// A module is a shared library that Envoy loads with dlopen. Envoy finds the functions that begin with
// envoy_dynamic_module_on_ in the module, and the module finds those below in Envoy. The whole ABI is in
// Envoy's own header, source/extensions/dynamic_modules/abi/abi.h. It changes between releases: this is of
// 1.40, and a module for another one is compiled anew, against that one's header.
//
// Who is called by which thread: configurations of filters are made by the main thread, and may be destroyed
// by any; a Filter is used by one worker's thread alone, from its beginning to its end; bootstrap extensions
// are the main thread's. What may be called from any thread says so.
//
// Needs C++20 and nothing else of this repository.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#define ENVOY_MODULE_EXPORT extern "C" __attribute__((visibility("default")))

namespace envoy {

// The version of the ABI; Envoy logs a warning where its own is another.
inline constexpr const char* kAbiVersion = "v0.2.0";

// Bytes of whoever passes them on. Those of a call live until it returns; those that Envoy gives out live
// until the hook returns or changes what they are of.
struct Bytes {
  const char* data;
  std::size_t size;
};

inline Bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view text_of(Bytes bytes) { return {bytes.data, bytes.size}; }

struct Header {
  Bytes name;
  Bytes value;
};

using Filter = void*;           // Envoy's own side of a request
using FilterConfig = void*;     // of a configuration of a filter
using FilterScheduler = void*;  // wakes a filter; the module's to delete
using BootstrapConfig = void*;  // of a bootstrap extension's configuration
using Bootstrap = void*;        // of a bootstrap extension
using BootstrapScheduler = void*;

enum class HeaderMap : int { kRequest = 0, kRequestTrailers = 1, kResponse = 2, kResponseTrailers = 3 };
// The part of a body that has just come, there in body hooks alone, and what Envoy has kept of it before.
enum class Body : int {
  kReceivedRequest = 0,
  kBufferedRequest = 1,
  kReceivedResponse = 2,
  kBufferedResponse = 3
};
enum class MetadataSource : int { kDynamic = 0 };
enum class Attribute : int { kUpstreamAddress = 41 };
enum class LogLevel : int { kTrace = 0, kDebug, kInfo, kWarning, kError, kCritical };

// What hooks return.
enum class HeadersStatus : int { kContinue = 0, kStopIteration = 1 };
enum class BodyStatus : int { kContinue = 0, kStopIterationAndBuffer = 1, kStopIterationNoBuffer = 3 };
enum class TrailersStatus : int { kContinue = 0, kStopIteration = 1 };

}  // namespace envoy

extern "C" {

// ---- any thread ------------------------------------------------------------------------------------------

// To Envoy's log, under the logger `dynamic_modules`.
void envoy_dynamic_module_callback_log(envoy::LogLevel, envoy::Bytes message);

// ---- HTTP filters: headers -------------------------------------------------------------------------------

std::size_t envoy_dynamic_module_callback_http_get_headers_size(envoy::Filter, envoy::HeaderMap);
// `headers` has room for that many.
bool envoy_dynamic_module_callback_http_get_headers(envoy::Filter, envoy::HeaderMap, envoy::Header* headers);
// Beside those of this name, if there are any.
bool envoy_dynamic_module_callback_http_add_header(envoy::Filter, envoy::HeaderMap, envoy::Bytes name,
                                                   envoy::Bytes value);
// A null value removes the header.
bool envoy_dynamic_module_callback_http_set_header(envoy::Filter, envoy::HeaderMap, envoy::Bytes name,
                                                   envoy::Bytes value);

// ---- HTTP filters: bodies --------------------------------------------------------------------------------

std::size_t envoy_dynamic_module_callback_http_get_body_chunks_size(envoy::Filter, envoy::Body);
bool envoy_dynamic_module_callback_http_get_body_chunks(envoy::Filter, envoy::Body, envoy::Bytes* chunks);
std::size_t envoy_dynamic_module_callback_http_get_body_size(envoy::Filter, envoy::Body);
// Takes bytes off the front.
bool envoy_dynamic_module_callback_http_drain_body(envoy::Filter, envoy::Body, std::size_t bytes);
bool envoy_dynamic_module_callback_http_append_body(envoy::Filter, envoy::Body, envoy::Bytes data);
// What was received is what is kept already: an earlier filter has held the body back.
bool envoy_dynamic_module_callback_http_received_buffered_request_body(envoy::Filter);
// Of what is kept for filters that stop; 0 is none. A request with more is answered with 413 by Envoy.
std::uint64_t envoy_dynamic_module_callback_http_get_buffer_limit(envoy::Filter);
void envoy_dynamic_module_callback_http_set_buffer_limit(envoy::Filter, std::uint64_t bytes);

// ---- HTTP filters: metadata and attributes ---------------------------------------------------------------

void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(envoy::Filter, envoy::Bytes name_space,
                                                                    envoy::Bytes key, envoy::Bytes value);
std::size_t envoy_dynamic_module_callback_http_get_metadata_namespaces_count(envoy::Filter,
                                                                             envoy::MetadataSource);
// False where there is no such string, list or element.
bool envoy_dynamic_module_callback_http_get_metadata_string(envoy::Filter, envoy::MetadataSource,
                                                            envoy::Bytes name_space, envoy::Bytes key,
                                                            envoy::Bytes* value);
bool envoy_dynamic_module_callback_http_get_metadata_list_size(envoy::Filter, envoy::MetadataSource,
                                                               envoy::Bytes name_space, envoy::Bytes key,
                                                               std::size_t* size);
bool envoy_dynamic_module_callback_http_get_metadata_list_string(envoy::Filter, envoy::MetadataSource,
                                                                 envoy::Bytes name_space, envoy::Bytes key,
                                                                 std::size_t index, envoy::Bytes* value);
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(envoy::Filter, envoy::Attribute,
                                                                    envoy::Bytes* value);

// ---- HTTP filters: the course of a request ---------------------------------------------------------------

// The client gets this answer; the filter returns StopIteration.
void envoy_dynamic_module_callback_http_send_response(envoy::Filter, std::uint32_t status,
                                                      const envoy::Header* headers, std::size_t headers_size,
                                                      envoy::Bytes body, envoy::Bytes details);
// After a hook that stopped.
void envoy_dynamic_module_callback_http_filter_continue_decoding(envoy::Filter);

envoy::FilterScheduler envoy_dynamic_module_callback_http_filter_scheduler_new(envoy::Filter);
void envoy_dynamic_module_callback_http_filter_scheduler_delete(envoy::FilterScheduler);
// From any thread, and nothing where the filter is gone: its worker calls on_http_filter_scheduled().
void envoy_dynamic_module_callback_http_filter_scheduler_commit(envoy::FilterScheduler, std::uint64_t event);

// ---- bootstrap extensions --------------------------------------------------------------------------------

// Envoy takes no traffic before this has been called.
void envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(envoy::BootstrapConfig);

envoy::BootstrapScheduler envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_new(
    envoy::BootstrapConfig);
void envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_delete(envoy::BootstrapScheduler);
// From any thread: the main thread calls on_bootstrap_extension_config_scheduled().
void envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_commit(envoy::BootstrapScheduler,
                                                                               std::uint64_t event);

// Requests to Envoy's admin interface below this path.
bool envoy_dynamic_module_callback_bootstrap_extension_register_admin_handler(envoy::BootstrapConfig,
                                                                              envoy::Bytes path_prefix,
                                                                              envoy::Bytes help,
                                                                              bool removable,
                                                                              bool mutates_server_state);
// The body of the answer, from on_bootstrap_extension_admin_request().
void envoy_dynamic_module_callback_bootstrap_extension_admin_set_response(envoy::BootstrapConfig,
                                                                          envoy::Bytes body);
}

// What of Envoy's ABI for dynamic modules an HTTP filter needs that reads requests, as declarations of our
// own.
//
// A module is a shared library that Envoy loads with dlopen. Envoy finds the functions that begin with
// envoy_dynamic_module_on_ in the module (model.cc), and the module finds those below in Envoy. The whole ABI
// is in Envoy's own header, source/extensions/dynamic_modules/abi/abi.h. It changes between releases: this is
// of 1.40, and a module for another one is compiled anew, against that one's header.
#pragma once

#include <cstddef>
#include <cstdint>

#define ENVOY_MODULE_EXPORT extern "C" __attribute__((visibility("default")))

namespace envoy {

// The version of the ABI; Envoy logs a warning where its own is another.
inline constexpr const char* kAbiVersion = "v0.2.0";

// Bytes of whoever passes them on; they live until the call returns.
struct Bytes {
  const char* data;
  std::size_t size;
};

struct Header {
  Bytes name;
  Bytes value;
};

using Filter = void*;  // Envoy's own side of a request

enum class HeaderMap : int { kRequest = 0 };
// The part of the body that has just come, and what Envoy has kept of it before.
enum class Body : int { kReceivedRequest = 0, kBufferedRequest = 1 };

// What hooks return.
enum class HeadersStatus : int { kContinue = 0, kStopIteration = 1 };
enum class BodyStatus : int { kContinue = 0, kStopIterationAndBuffer = 1 };
enum class TrailersStatus : int { kContinue = 0, kStopIteration = 1 };

}  // namespace envoy

extern "C" {
std::size_t envoy_dynamic_module_callback_http_get_body_chunks_size(envoy::Filter, envoy::Body);
bool envoy_dynamic_module_callback_http_get_body_chunks(envoy::Filter, envoy::Body, envoy::Bytes* chunks);
// What was received is what is kept already: an earlier filter has held the body back.
bool envoy_dynamic_module_callback_http_received_buffered_request_body(envoy::Filter);
// A null value removes the header.
bool envoy_dynamic_module_callback_http_set_header(envoy::Filter, envoy::HeaderMap, envoy::Bytes name,
                                                   envoy::Bytes value);
void envoy_dynamic_module_callback_http_send_response(envoy::Filter, std::uint32_t status,
                                                      const envoy::Header* headers, std::size_t headers_size,
                                                      envoy::Bytes body, envoy::Bytes details);
}

// What of the proxy-wasm ABI 0.2.1 a filter needs that reads requests: functions that Envoy offers to a
// module, as C++. Those that the module offers to Envoy are in model.cc.
//
// Source: github.com/proxy-wasm/spec, abi-versions/v0.2.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

// A function of the module that Envoy calls by its name.
#define PROXY_WASM_EXPORT(name) extern "C" __attribute__((export_name(#name)))
// A function of Envoy. They return 0 where all was well.
#define PROXY_WASM_IMPORT(name) extern "C" __attribute__((import_module("env"), import_name(#name)))

PROXY_WASM_IMPORT(proxy_log)
int proxy_log(int level, const char* text, std::size_t size);
PROXY_WASM_IMPORT(proxy_get_buffer_bytes)
int proxy_get_buffer_bytes(int buffer, std::size_t start, std::size_t max, char** bytes, std::size_t* size);
PROXY_WASM_IMPORT(proxy_replace_header_map_value)
int proxy_replace_header_map_value(int map, const char* name, std::size_t name_size, const char* value,
                                   std::size_t value_size);
PROXY_WASM_IMPORT(proxy_remove_header_map_value)
int proxy_remove_header_map_value(int map, const char* name, std::size_t name_size);
PROXY_WASM_IMPORT(proxy_send_local_response)
int proxy_send_local_response(int status, const char* details, std::size_t details_size, const char* body,
                              std::size_t body_size, const char* headers, std::size_t headers_size,
                              int grpc_status);

namespace proxy_wasm {

// What a callback about a request returns.
enum class Action : int { kContinue = 0, kPause = 1 };

enum class Buffer : int { kRequestBody = 0, kPluginConfiguration = 7 };

// Bytes that Envoy has put into the module's memory.
class Bytes {
 public:
  explicit Bytes(Buffer buffer) {
    char* bytes = nullptr;
    proxy_get_buffer_bytes(static_cast<int>(buffer), 0, SIZE_MAX, &bytes, &size_);
    bytes_.reset(bytes);
  }
  std::string_view view() const {
    return bytes_ ? std::string_view(bytes_.get(), size_) : std::string_view();
  }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<char, Free> bytes_;
  std::size_t size_ = 0;
};

inline constexpr int kRequestHeaders = 0;

inline void set_request_header(std::string_view name, std::string_view value) {
  proxy_replace_header_map_value(kRequestHeaders, name.data(), name.size(), value.data(), value.size());
}

inline void remove_request_header(std::string_view name) {
  proxy_remove_header_map_value(kRequestHeaders, name.data(), name.size());
}

// Answers the client. The request goes no further: return kPause.
inline void send_json(int status, std::string_view body, std::string_view details) {
  // Headers in the ABI's form: how many, the sizes of each name and value, then these, each with a NUL.
  struct {
    std::uint32_t count = 1;
    std::uint32_t name_size = 12;
    std::uint32_t value_size = 16;
    char name[13] = "content-type";
    char value[17] = "application/json";
  } headers;
  static_assert(offsetof(decltype(headers), value) == 25);
  constexpr int kNoGrpcStatus = -1;
  proxy_send_local_response(status, details.data(), details.size(), body.data(), body.size(),
                            reinterpret_cast<const char*>(&headers), 42, kNoGrpcStatus);
}

inline void log_error(std::string_view text) {
  constexpr int kError = 4;
  proxy_log(kError, text.data(), text.size());
}

}  // namespace proxy_wasm

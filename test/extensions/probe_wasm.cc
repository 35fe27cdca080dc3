// A WebAssembly module that tells what Envoy gives it, for wasm_test.py: in the header x-root the root id of
// its plugin, in x-plugin its name, in x-colour and x-missing the variables PROBE_COLOUR and PROBE_MISSING of
// its environment, and in x-sharing how many requests all plugins of its VM have had.
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy_wasm.h"

PROXY_WASM_IMPORT(proxy_get_property)
int proxy_get_property(const char* path, std::size_t path_size, char** value, std::size_t* size);

namespace {

int requests = 0;

// Empty where there is none.
std::string property(std::string_view name) {
  char* bytes = nullptr;
  std::size_t size = 0;
  if (proxy_get_property(name.data(), name.size(), &bytes, &size) != 0) return {};
  const std::string value(bytes, size);
  std::free(bytes);
  return value;
}

// No header at all where there is no such variable.
void tell_variable(std::string_view header, const char* name) {
  if (const char* value = std::getenv(name)) proxy_wasm::set_request_header(header, value);
}

}  // namespace

PROXY_WASM_EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}
PROXY_WASM_EXPORT(proxy_on_memory_allocate) void* proxy_on_memory_allocate(std::size_t size) {
  return std::malloc(size);
}
PROXY_WASM_EXPORT(proxy_on_context_create) void proxy_on_context_create(int, int) {}

PROXY_WASM_EXPORT(proxy_on_request_headers)
proxy_wasm::Action proxy_on_request_headers(int, int, bool) {
  proxy_wasm::set_request_header("x-root", property("plugin_root_id"));
  proxy_wasm::set_request_header("x-plugin", property("plugin_name"));
  tell_variable("x-colour", "PROBE_COLOUR");
  tell_variable("x-missing", "PROBE_MISSING");
  proxy_wasm::set_request_header("x-sharing", std::to_string(++requests));
  return proxy_wasm::Action::kContinue;
}

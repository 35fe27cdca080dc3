// A library that shows what Envoy does with it, for library_test.py: its filters tell the backend in headers
// how often they were called since the library was loaded (x-count), which build of it this is (x-note), and
// whether another library's symbol can be seen (x-shared). The filter "answers" answers itself. Its load
// balancer chooses the first of the healthy endpoints, or the last where it is called so.
//
// NOTE is a text; SHARES gives it the symbol that others look for.
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <dlfcn.h>

#include "module_abi/envoy_module.h"
#include "module_abi/unused_hooks.h"

#ifndef NOTE
#define NOTE "plain"
#endif

namespace {

std::atomic<int> calls = 0;
const char answers = 'a';
const char tells = 't';
const char first = 'f';
const char last = 'l';

envoy::Bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }

void tell(envoy::Filter filter, std::string_view name, std::string_view value) {
  envoy_dynamic_module_callback_http_set_header(filter, envoy::HeaderMap::kRequest, bytes_of(name),
                                                bytes_of(value));
}

}  // namespace

extern "C" std::size_t envoy_dynamic_module_callback_lb_get_healthy_hosts_count(void* envoy,
                                                                                std::uint32_t priority);

#ifdef SHARES
ENVOY_MODULE_EXPORT int sluice_probe_shared() { return 1; }
#endif

ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_program_init() { return envoy::kAbiVersion; }

// ---- an HTTP filter --------------------------------------------------------------------------------------

ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_http_filter_config_new(void*, envoy::Bytes name,
                                                                               envoy::Bytes) {
  return std::string_view(name.data, name.size) == "answers" ? &answers : &tells;
}
ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_config_destroy(const char*) {}
ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_http_filter_new(const char* config, envoy::Filter) {
  return config;
}
ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_destroy(const char*) {}

ENVOY_MODULE_EXPORT envoy::HeadersStatus envoy_dynamic_module_on_http_filter_request_headers(
    envoy::Filter filter, const char* config, bool) {
  if (config == &answers) {
    envoy_dynamic_module_callback_http_send_response(filter, 200, nullptr, 0, bytes_of(NOTE),
                                                     bytes_of("probe"));
    return envoy::HeadersStatus::kStopIteration;
  }
  tell(filter, "x-note", NOTE);
  tell(filter, "x-count", std::to_string(++calls));
  tell(filter, "x-shared", dlsym(RTLD_DEFAULT, "sluice_probe_shared") == nullptr ? "no" : "yes");
  return envoy::HeadersStatus::kContinue;
}
ENVOY_MODULE_EXPORT envoy::BodyStatus envoy_dynamic_module_on_http_filter_request_body() {
  return envoy::BodyStatus::kContinue;
}
ENVOY_MODULE_EXPORT envoy::TrailersStatus envoy_dynamic_module_on_http_filter_request_trailers() {
  return envoy::TrailersStatus::kContinue;
}
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

// ---- a load balancer -------------------------------------------------------------------------------------

ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_lb_config_new(void*, envoy::Bytes name,
                                                                      envoy::Bytes) {
  return std::string_view(name.data, name.size) == "last" ? &last : &first;
}
ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_lb_config_destroy(const char*) {}
ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_lb_new(const char* config, void*) { return config; }
ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_lb_destroy(const char*) {}
ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_lb_on_host_membership_update() {}
ENVOY_MODULE_EXPORT bool envoy_dynamic_module_on_lb_choose_host(void* envoy, const char* config, void*,
                                                                std::uint32_t* priority,
                                                                std::uint32_t* index) {
  const std::size_t healthy = envoy_dynamic_module_callback_lb_get_healthy_hosts_count(envoy, 0);
  if (healthy == 0) return false;
  *priority = 0;
  *index = config == &last ? static_cast<std::uint32_t>(healthy - 1) : 0;
  return true;
}

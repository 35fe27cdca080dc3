// WebAssembly modules that fail, at the place that the macro TRAP_IN names: START, CONFIGURE or REQUEST.
#include <cstddef>
#include <cstdlib>

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))
#define START 1
#define CONFIGURE 2
#define REQUEST 3

EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}
EXPORT(proxy_on_memory_allocate) void* proxy_on_memory_allocate(std::size_t size) {
  return std::malloc(size);
}
EXPORT(proxy_on_context_create) void proxy_on_context_create(int, int) {}
EXPORT(proxy_on_vm_start) bool proxy_on_vm_start(int, int) {
  if (TRAP_IN == START) __builtin_trap();
  return true;
}
EXPORT(proxy_on_configure) bool proxy_on_configure(int, int) {
  if (TRAP_IN == CONFIGURE) __builtin_trap();
  return true;
}
EXPORT(proxy_on_request_headers) int proxy_on_request_headers(int, int, bool) {
  if (TRAP_IN == REQUEST) __builtin_trap();
  return 0;
}

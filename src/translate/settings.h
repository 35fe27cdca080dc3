// What the control plane was started with, as far as translation depends on it. Fixed for the life of a
// pipeline.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/object_key.h"
#include "wasm/state.h"

namespace sluice::translate {

struct Settings {
  // Gateways of this class are ours though no GatewayClass object says so; empty: only those of GatewayClass
  // objects with our controller name.
  std::string implied_class;
  std::string controller_name = "gateway.envoyproxy.io/gatewayclass-controller";
  // EnvoyProxy of the class, where there is no GatewayClass object to name it.
  std::optional<NamespacedName> class_envoy_proxy;
  bool merge_gateways = false;
  bool merge_backends = false;  // as in every EnvoyProxy
  // The kind Backend is off by default in a cluster (it can name addresses that no Service would) and on on a
  // host.
  bool backend_enabled = true;
  // On a host ports are bound as asked; in a cluster the proxy is not root, and ports below 1024 are shifted
  // by kPrivilegedPortShift and mapped back by the Service.
  bool on_host = true;
  // Send to the Service's cluster IP instead of to its endpoints (EnvoyProxy routingType Service).
  bool endpoint_routing_disabled = false;
  bool lua_enabled = true;             // policies may have scripts
  bool patch_policies_enabled = true;  // EnvoyPatchPolicies may change what Envoy is sent
  // WebAssembly modules and shared libraries that need not be fetched, by URL or image as policies and
  // EnvoyProxies name them: for translations that fetch nothing.
  std::map<std::string, wasm::Ready, std::less<>> known_modules;
  // Where proxies of other machines get modules from, which see no files of ours: the URL of the server that
  // has them by their digests (control/module_server.h). Empty: files are what all proxies are told.
  std::string module_server;
  // Where our own pickers have their sockets, one a pool.
  std::string picker_folder = "pickers";
  // The path of libsluice_picker.so, for pools whose picker is to be inside Envoy; empty: there is none.
  std::string picker_module = "libsluice_picker.so";
  // Its SHA-256, by which the module server has it; empty: proxies of other machines are told the path, too.
  std::string picker_module_sha256;
};

inline constexpr int kFirstUnprivilegedPort = 1'024;
inline constexpr int kPrivilegedPortShift = 10'000;  // Envoy Gateway's, so that dashboards keep working

}  // namespace sluice::translate

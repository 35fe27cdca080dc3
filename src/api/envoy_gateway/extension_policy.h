// EnvoyExtensionPolicy: code of the user's in the way of requests. Of each sort there may be several, which
// run in the order of their list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/envoy_gateway/cluster_settings.h"
#include "api/envoy_gateway/policy_targets.h"
#include "api/gateway_api/types.h"
#include "tree/tree.h"

namespace sluice::api {

// ---- external processing ----------------------------------------------------------------------------

enum class BodyProcessingMode : std::uint8_t { kStreamed, kBuffered, kBufferedPartial, kFullDuplexStreamed };

// What of requests, or of responses, the service gets to see.
struct ProcessingOptions {
  std::optional<BodyProcessingMode> body;  // absent: no body
  std::vector<std::string> attributes;

  bool operator==(const ProcessingOptions&) const = default;
};

struct ProcessingMode {
  std::optional<ProcessingOptions> request;  // absent: nothing, not even headers
  std::optional<ProcessingOptions> response;
  bool allow_mode_override = false;

  bool operator==(const ProcessingMode&) const = default;
};

struct ExtProcMetadata {
  std::vector<std::string> accessible_namespaces;
  std::vector<std::string> writable_namespaces;

  bool operator==(const ExtProcMetadata&) const = default;
};

struct ExtProc {
  BackendCluster backends;  // its fields stand beside the others in the text
  std::optional<Duration> message_timeout;
  bool fail_open = false;
  std::optional<std::int32_t> status_on_error;
  std::optional<ProcessingMode> processing_mode;
  std::optional<ExtProcMetadata> metadata;
  bool shadow_mode = false;

  bool operator==(const ExtProc&) const = default;
};

// ---- WebAssembly ------------------------------------------------------------------------------------

enum class WasmCodeType : std::uint8_t { kHTTP, kImage };
enum class WasmPullPolicy : std::uint8_t { kIfNotPresent, kAlways };

struct WasmTLS {
  SecretObjectReference ca_certificate_ref;

  bool operator==(const WasmTLS&) const = default;
};

// 64 lower-case hexadecimal digits. Whoever reads a policy has to expect any text, as upstream's schema does;
// what is none gives the problem "value/sha256" when it is read, and nothing matches it.
bool is_wasm_digest(std::string_view text);

struct WasmHTTPSource {
  std::string url;
  std::optional<std::string> sha256;  // see is_wasm_digest()
  std::optional<WasmTLS> tls;

  bool operator==(const WasmHTTPSource&) const = default;
};

struct WasmImageSource {
  std::string url;
  std::optional<std::string> sha256;
  std::optional<SecretObjectReference> pull_secret_ref;
  std::optional<WasmTLS> tls;

  bool operator==(const WasmImageSource&) const = default;
};

// The one that the type names is there.
struct WasmCode {
  WasmCodeType type = WasmCodeType::kHTTP;
  std::optional<WasmHTTPSource> http;
  std::optional<WasmImageSource> image;
  std::optional<WasmPullPolicy> pull_policy;

  bool operator==(const WasmCode&) const = default;
};

struct WasmEnv {
  std::vector<std::string> host_keys;

  bool operator==(const WasmEnv&) const = default;
};

struct Wasm {
  std::optional<std::string> name;
  std::optional<std::string> root_id;
  WasmCode code;
  std::optional<Tree> config;  // whatever the module takes
  bool fail_open = false;
  std::optional<WasmEnv> env;

  bool operator==(const Wasm&) const = default;
};

// ---- scripts and modules ----------------------------------------------------------------------------

enum class LuaType : std::uint8_t { kInline, kValueRef };

// The script that the type names is there, and the other is not.
struct Lua {
  LuaType type = LuaType::kInline;
  std::optional<std::string> inline_;
  std::optional<LocalObjectReference> value_ref;  // a ConfigMap
  std::optional<Tree> filter_context;

  bool operator==(const Lua&) const = default;
};

struct DynamicModule {
  std::string name;  // of dynamicModules of the EnvoyProxy
  std::string filter_name;
  std::optional<Tree> config;  // whatever the module takes
  bool terminal_filter = false;

  bool operator==(const DynamicModule&) const = default;
};

// ---- all of it --------------------------------------------------------------------------------------

struct EnvoyExtensionPolicySpec {
  PolicyTargets targets;   // its fields stand beside the others in the text
  std::string merge_type;  // StrategicMerge | JSONMerge; empty: the policy replaces what is about the parent
  std::vector<ExtProc> ext_proc;
  std::vector<Wasm> wasm;
  std::vector<Lua> lua;
  std::vector<DynamicModule> dynamic_module;

  bool operator==(const EnvoyExtensionPolicySpec&) const = default;
};

struct EnvoyExtensionPolicy {
  ObjectMeta metadata;
  EnvoyExtensionPolicySpec spec;

  bool operator==(const EnvoyExtensionPolicy&) const = default;
};

}  // namespace sluice::api

// gateway.envoyproxy.io/v1alpha1 as of Envoy Gateway v1.9: Backend and EnvoyProxy, and by their headers
// EnvoyExtensionPolicy, HTTPRouteFilter and EnvoyPatchPolicy. The rest of this group's kinds arrive with the
// features that read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/envoy_gateway/extension_policy.h"
#include "api/envoy_gateway/http_route_filter.h"
#include "api/envoy_gateway/patch_policy.h"
#include "api/envoy_gateway/telemetry.h"
#include "api/gateway_api/types.h"
#include "api/meta.h"
#include "tree/tree.h"

namespace sluice::api {

struct HostPort {
  std::string host;  // ip.address or fqdn.hostname
  std::int32_t port = 0;

  bool operator==(const HostPort&) const = default;
};

// Exactly one of ip, fqdn, unix.
struct BackendEndpoint {
  std::optional<std::string> hostname;
  std::optional<HostPort> ip;
  std::optional<HostPort> fqdn;
  std::optional<std::string> unix_path;
  std::optional<std::string> zone;

  bool operator==(const BackendEndpoint&) const = default;
};

enum class TLSVersion : std::uint8_t { kAuto, k1_0, k1_1, k1_2, k1_3 };

// How connections to backends speak TLS, besides whom they trust. Upstream's BackendTLSConfig.
struct TLSSettings {
  std::optional<SecretObjectReference> client_certificate_ref;
  std::optional<TLSVersion> min_version;
  std::optional<TLSVersion> max_version;
  std::vector<std::string> ciphers;
  std::vector<std::string> ecdh_curves;
  std::vector<std::string> signature_algorithms;
  std::optional<std::vector<std::string>> alpn_protocols;  // empty: none is offered

  bool operator==(const TLSSettings&) const = default;
};

struct BackendTLSSettings {
  TLSSettings settings;  // its fields stand beside the others in the text
  std::vector<LocalObjectReference> ca_certificate_refs;
  std::string well_known_ca_certificates;  // "System", or empty
  bool insecure_skip_verify = false;
  std::string sni;
  bool auto_sni_from_endpoint_hostname = false;

  bool operator==(const BackendTLSSettings&) const = default;
};

enum class BackendType : std::uint8_t { kEndpoints, kDynamicResolver };

struct BackendSpec {
  BackendType type = BackendType::kEndpoints;
  std::vector<BackendEndpoint> endpoints;
  std::vector<std::string> app_protocols;
  bool fallback = false;
  std::optional<BackendTLSSettings> tls;

  bool operator==(const BackendSpec&) const = default;
};

struct Backend {
  ObjectMeta metadata;
  BackendSpec spec;

  bool operator==(const Backend&) const = default;
};

struct ShutdownConfig {
  std::optional<Duration> drain_timeout;               // default 60 s
  std::optional<Duration> min_drain_duration;          // default 10 s
  std::optional<Duration> health_check_failure_delay;  // default 0

  bool operator==(const ShutdownConfig&) const = default;
};

enum class BootstrapType : std::uint8_t { kMerge, kReplace, kJSONPatch };

struct ProxyBootstrap {
  BootstrapType type = BootstrapType::kReplace;
  std::optional<std::string> value;  // YAML of a Bootstrap, whole or to merge
  std::optional<Tree> json_patches;  // a list

  bool operator==(const ProxyBootstrap&) const = default;
};

struct ProxyLogging {
  // Component ("default", "upstream", "http", …) to level ("debug", "info", "warn", "error", …).
  StringMap level{{"default", "warn"}};

  bool operator==(const ProxyLogging&) const = default;
};

enum class ModuleSourceType : std::uint8_t { kLocal, kRemote };

struct LocalModule {
  std::string path;

  bool operator==(const LocalModule&) const = default;
};

struct RemoteModule {
  std::string url;
  std::string sha256;

  bool operator==(const RemoteModule&) const = default;
};

struct DynamicModuleSource {
  ModuleSourceType type = ModuleSourceType::kLocal;
  std::optional<LocalModule> local;
  std::optional<RemoteModule> remote;

  bool operator==(const DynamicModuleSource&) const = default;
};

// A shared library that policies may name.
struct DynamicModuleEntry {
  std::string name;
  DynamicModuleSource source;
  bool do_not_close = false;
  bool load_globally = false;

  bool operator==(const DynamicModuleEntry&) const = default;
};

// Exactly one of before and after.
struct FilterPosition {
  std::string name;
  std::optional<std::string> before;
  std::optional<std::string> after;

  bool operator==(const FilterPosition&) const = default;
};

enum class LuaValidation : std::uint8_t { kStrict, kInsecureSyntax, kDisabled };

struct StrictLuaValidation {
  std::vector<std::string> allowed_env_vars;
  std::vector<std::string> allowed_paths;

  bool operator==(const StrictLuaValidation&) const = default;
};

struct LuaSettings {
  LuaValidation validation_type = LuaValidation::kStrict;
  StrictLuaValidation strict_validation;

  bool operator==(const LuaSettings&) const = default;
};

enum class IPFamily : std::uint8_t { kIPv4, kIPv6, kDualStack };
enum class RoutingType : std::uint8_t { kEndpoint, kService };

// Where it is there, rules share the clusters of Services, of those that the selector finds.
struct MergeBackends {
  std::optional<LabelSelector> selector;

  bool operator==(const MergeBackends&) const = default;
};

// How the EnvoyProxy of a Gateway goes together with that of its class.
enum class EnvoyProxyMerge : std::uint8_t { kReplace, kStrategicMerge, kJSONMerge };

struct EnvoyProxySpec {
  std::string provider_type;       // Kubernetes | Host | empty
  std::optional<Tree> kubernetes;  // of the provider: what runs Envoys in a cluster
  ProxyLogging logging;
  bool merge_gateways = false;
  std::optional<MergeBackends> merge_backends;
  std::optional<std::int32_t> concurrency;
  std::optional<ShutdownConfig> shutdown;
  std::optional<ProxyBootstrap> bootstrap;
  std::vector<std::string> extra_args;
  std::optional<IPFamily> ip_family;
  std::optional<RoutingType> routing_type;
  std::optional<bool> preserve_route_order;  // false
  Telemetry telemetry;
  std::optional<EnvoyProxyMerge> merge_type;  // kReplace
  std::optional<TLSSettings> backend_tls;
  std::vector<DynamicModuleEntry> dynamic_modules;
  std::vector<FilterPosition> filter_order;     // applied one after the other
  std::optional<LuaValidation> lua_validation;  // what `lua` has replaced
  std::optional<LuaSettings> lua;

  bool operator==(const EnvoyProxySpec&) const = default;
};

struct EnvoyProxy {
  ObjectMeta metadata;
  EnvoyProxySpec spec;

  bool operator==(const EnvoyProxy&) const = default;
};

}  // namespace sluice::api

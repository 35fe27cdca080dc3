#include "api/envoy_gateway/envoy_proxy.h"

#include <string>
#include <vector>

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/envoy_gateway/types.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kSha256{R"(^[a-f0-9]{64}$)", "a SHA-256: 64 lower-case hexadecimal digits"};
constexpr Pattern kHttpUrl{R"(^https?://[^/?#]+(?:[/?#].*)?$)", "an http or https URL"};
constexpr Pattern kMaxMindFile{R"(^.*\.mmdb$)", "a path that ends in `.mmdb`"};

Rule rule(const char* name, const char* cel, const char* message, const char* suggestion = "",
          const char* blame = "") {
  return {.name = name, .cel = cel, .message = message, .suggestion = suggestion, .blame = blame};
}

Type bootstrap() {
  return object({
                    field<&ProxyBootstrap::type>("type", enumeration({"Merge", "Replace", "JSONPatch"}))
                        .defaults_to("Replace")
                        .doc("Whether `value` replaces Envoy's bootstrap, is merged into it, or "
                             "`jsonPatches` change it."),
                    field<&ProxyBootstrap::value>("value", string())
                        .doc("The bootstrap, or a part of it, as YAML."),
                    field<&ProxyBootstrap::json_patches>("jsonPatches", list(json_patch_operation()))
                        .doc("Changes, as in RFC 6902."),
                })
      .with(rule("bootstrap", "self.type == 'JSONPatch' ? self.jsonPatches.size() > 0 : has(self.value)",
                 "a bootstrap of type `JSONPatch` needs `jsonPatches`, one of another type needs `value`"));
}

Type dynamic_modules() {
  const Type source =
      object(
          {
              field<&DynamicModuleSource::type>("type", enumeration({"Local", "Remote"}))
                  .defaults_to("Local")
                  .doc("Whether the module is a file, or fetched."),
              field<&DynamicModuleSource::local>(
                  "local", object({field<&LocalModule::path>("path", string().length(1, 4096))
                                       .required()
                                       .doc("The path of the file.")}))
                  .doc("A file."),
              field<&DynamicModuleSource::remote>(
                  "remote", object({
                                field<&RemoteModule::sha256>("sha256", string().matches(kSha256))
                                    .required()
                                    .doc("The hash that the file must have."),
                                field<&RemoteModule::url>("url", string().length(1, 4096).matches(kHttpUrl))
                                    .required()
                                    .doc("The URL."),
                            }))
                  .doc("A URL from which it is fetched."),
          })
          .with({
              goes_with_type("module-source", "Remote", "remote"),
              rule("module-source", "self.type != 'Local' || has(self.local)",
                   "the type `Local` needs the field `local`", "add `local`", "type"),
              rule("module-source", "self.type == 'Remote' ? !has(self.local) : true",
                   "`local` is set, and the type is `Remote`", "remove `local`", "local"),
          });
  return list(object({
                  field<&DynamicModuleEntry::name>("name", string().length(1, 253).matches(kModuleName))
                      .required()
                      .doc("The name of the module, by which policies refer to it."),
                  field<&DynamicModuleEntry::source>("source", source).required().doc("Where the module is."),
                  field<&DynamicModuleEntry::do_not_close>("doNotClose", boolean())
                      .defaults_to(false)
                      .doc("Whether the library stays loaded when it is no longer used."),
                  field<&DynamicModuleEntry::load_globally>("loadGlobally", boolean())
                      .defaults_to(false)
                      .doc("Whether its symbols are visible to others."),
              }))
      .max_items(16)
      .keyed_by({"name"});
}

Type filter_order() {
  std::vector<std::string> filters;
  for (const char* const name : {"custom_response",
                                 "health_check",
                                 "fault",
                                 "cors",
                                 "csrf",
                                 "header_mutation",
                                 "ext_authz",
                                 "api_key_auth",
                                 "basic_auth",
                                 "oauth2",
                                 "jwt_authn",
                                 "stateful_session",
                                 "buffer",
                                 "lua",
                                 "ext_proc",
                                 "wasm",
                                 "dynamic_modules",
                                 "geoip",
                                 "rbac",
                                 "local_ratelimit",
                                 "ratelimit",
                                 "bandwidth_limit",
                                 "grpc_web",
                                 "grpc_stats",
                                 "credential_injector",
                                 "compressor",
                                 "dynamic_forward_proxy"}) {
    filters.push_back(std::string("envoy.filters.http.") + name);
  }
  return list(
      object({
                 field<&FilterPosition::name>("name", enumeration(filters))
                     .required()
                     .doc("The filter to move."),
                 field<&FilterPosition::before>("before", enumeration(filters))
                     .doc("The filter in front of which it runs."),
                 field<&FilterPosition::after>("after", enumeration(filters))
                     .doc("The filter behind which it runs."),
             })
          .with(rule("filter-order", "(has(self.before) || has(self.after))",
                     "a position needs `before` or `after`"))
          .with(rule("filter-order",
                     "(has(self.before) && !has(self.after)) || (!has(self.before) && has(self.after))",
                     "a position has one of `before` and `after`")));
}

Type geo_ip() {
  const Type database = object(
      {field("local",
             object({field("path", string().matches(kMaxMindFile)).required().doc("The path of the file.")}))
           .required()
           .doc("A file.")});
  const Type max_mind =
      object({
                 field("anonymousIpDbSource", database).doc("The database of proxies and the like."),
                 field("asnDbSource", database).doc("The database of autonomous systems."),
                 field("cityDbSource", database).doc("The database of cities."),
                 field("countryDbSource", database).doc("The database of countries."),
                 field("ispDbSource", database).doc("The database of providers."),
             })
          .with(rule("geo-ip",
                     "has(self.cityDbSource) || has(self.countryDbSource) || "
                     "has(self.asnDbSource) || has(self.ispDbSource) || "
                     "has(self.anonymousIpDbSource)",
                     "at least one database is needed"));
  const Type provider =
      object({
                 field("type", enumeration({"MaxMind"})).required().doc("Whose databases they are."),
                 field("maxMind", max_mind).doc("Databases of MaxMind."),
             })
          .with(rule("geo-ip", "self.type == 'MaxMind' ? has(self.maxMind) : true",
                     "the type `MaxMind` needs the field `maxMind`", "add `maxMind`", "type"));
  return object({field("provider", provider).required().doc("Where places of addresses are looked up.")});
}

// Upstream's schema has no enumeration here, and its controller takes all other words for "Endpoint".
bool store_routing_type(void* target, const Tree& tree, const Type&) {
  if (!tree.is_string()) return false;
  *static_cast<RoutingType*>(target) =
      tree.as_string() == "Service" ? RoutingType::kService : RoutingType::kEndpoint;
  return true;
}

Tree load_routing_type(const void* source, const Type&) {
  const bool is_service = *static_cast<const RoutingType*>(source) == RoutingType::kService;
  return Tree::string(is_service ? "Service" : "Endpoint");
}

Field routing_type() {
  static constexpr Codec kCodec{
      .kind = Codec::Kind::kScalar, .store = store_routing_type, .load = load_routing_type};
  Field result = field<&EnvoyProxySpec::routing_type>("routingType", string())
                     .doc("Whether requests go to the endpoints of a Service, or to its virtual address.");
  result.codec = &kCodec;
  return result;
}

Type lua() {
  const Rule no_blank_name = rule("lua", "self.all(e, e.trim() != '')", "an entry is blank");
  const Rule no_blank_path = rule("lua", "self.all(p, p.trim() != '')", "an entry is blank");
  const Rule not_root =
      rule("lua", "self.all(p, !p.matches('^/+$'))", "the root of the file system is no allowed path");
  return object(
             {
                 field<&LuaSettings::strict_validation>(
                     "strictValidation",
                     object({
                         field<&StrictLuaValidation::allowed_env_vars>(
                             "allowedEnvVars",
                             list(string().length(1, 256)).max_items(64).with(no_blank_name))
                             .doc("Environment variables that they may read."),
                         field<&StrictLuaValidation::allowed_paths>(
                             "allowedPaths",
                             list(string().length(1, 4096)).max_items(64).with(no_blank_path).with(not_root))
                             .doc("Paths that they may read."),
                     }))
                     .doc("What scripts may use while they are validated."),
                 field<&LuaSettings::validation_type>("validationType",
                                                      enumeration({"Strict", "InsecureSyntax", "Disabled"}))
                     .defaults_to("Strict")
                     .doc("How scripts are validated."),
             })
      .with(
          rule("lua",
               "!has(self.strictValidation) || !has(self.validationType) || self.validationType == 'Strict'",
               "`strictValidation` needs the validation type `Strict`", "", "strictValidation"));
}

}  // namespace

Type envoy_proxy_type() {
  const Tree default_level = Tree::map({{.key = "default", .value = Tree::string("warn")}});
  const Type logging = object({
      field<&ProxyLogging::level>(
          "level", map(enumeration({"trace", "debug", "info", "warn", "error", "off", "critical"})))
          .defaults_to(default_level)
          .doc("The level of each component; `default` is for all others."),
  });
  const Type provider = object({
      field<&EnvoyProxySpec::provider_type>("type", enumeration({"Kubernetes", "Host"}))
          .required()
          .passive()
          .doc("Where Envoy runs. Not read: it is where sluice runs."),
      field("host", object({field("envoyVersion", string())
                                .doc("The version of Envoy. Not read: it is the one of the build.")}))
          .doc("Settings for Envoys on this host."),
      field<&EnvoyProxySpec::kubernetes>("kubernetes", kubernetes_provider())
          .passive()
          .doc("Settings for Envoys in a cluster."),
  });
  const Type spec =
      object({
                 field<&EnvoyProxySpec::backend_tls>(
                     "backendTLS", object(backend_tls_fields<>()).with(tls_settings_rules()))
                     .doc("TLS to backends, for all of them."),
                 field<&EnvoyProxySpec::bootstrap>("bootstrap", bootstrap()).doc("What Envoy starts with."),
                 field<&EnvoyProxySpec::concurrency>("concurrency", int32())
                     .doc("How many worker threads Envoy has. By default one a core."),
                 field<&EnvoyProxySpec::dynamic_modules>("dynamicModules", dynamic_modules())
                     .doc("Modules that policies may use."),
                 field<&EnvoyProxySpec::extra_args>("extraArgs", list(string()))
                     .doc("More arguments of Envoy's command line."),
                 field<&EnvoyProxySpec::filter_order>("filterOrder", filter_order())
                     .doc("Changes of the order in which HTTP filters run."),
                 field("geoIP", geo_ip()).doc("Where places of addresses are looked up."),
                 field<&EnvoyProxySpec::ip_family>("ipFamily", enumeration({"IPv4", "IPv6", "DualStack"}))
                     .doc("The families of addresses that Envoy binds and connects to."),
                 field<&EnvoyProxySpec::logging>("logging", logging)
                     .defaults_to(Tree::map({{.key = "level", .value = default_level}}))
                     .doc("What Envoy logs about itself."),
                 field<&EnvoyProxySpec::lua>("lua", lua()).doc("How Lua scripts are validated."),
                 field<&EnvoyProxySpec::lua_validation>("luaValidation",
                                                        enumeration({"Strict", "InsecureSyntax", "Disabled"}))
                     .doc("The same; `lua` replaces it."),
                 field<&EnvoyProxySpec::merge_backends>(
                     "mergeBackends", object({field<&MergeBackends::selector>("selector", label_selector())
                                                  .doc("The labels of the Services for which they do.")}))
                     .doc("Whether rules with the same backends share a cluster: here they always do. Cannot "
                          "stand beside `mergeGateways`."),
                 field<&EnvoyProxySpec::merge_gateways>("mergeGateways", boolean())
                     .doc("Whether all Gateways of a class share one Envoy."),
                 field<&EnvoyProxySpec::merge_type>("mergeType",
                                                    enumeration({"Replace", "StrategicMerge", "JSONMerge"}))
                     .doc("How the EnvoyProxy of a Gateway goes together with that of its class."),
                 field<&EnvoyProxySpec::preserve_route_order>("preserveRouteOrder", boolean())
                     .doc("Whether rules are tried in the order in which they are written."),
                 flattened("provider", provider).doc("Where Envoy runs, and settings for that."),
                 routing_type(),
                 field<&EnvoyProxySpec::shutdown>(
                     "shutdown",
                     object({
                         field<&ShutdownConfig::drain_timeout>("drainTimeout", gateway_duration())
                             .doc("How long connections may go on at most."),
                         field<&ShutdownConfig::health_check_failure_delay>("healthCheckFailureDelay",
                                                                            gateway_duration())
                             .doc("How long it waits before health checks fail. In a cluster only."),
                         field<&ShutdownConfig::min_drain_duration>("minDrainDuration", gateway_duration())
                             .doc("How long connections are taken at least."),
                     }))
                     .doc("How Envoy ends."),
                 field<&EnvoyProxySpec::telemetry>("telemetry", telemetry()).doc("Logs, metrics and traces."),
             })
          .with(rule("lua", "!has(self.luaValidation) || !has(self.lua)",
                     "`luaValidation` and `lua` are both set", "keep `lua`, which replaces `luaValidation`"))
          .with(rule("merge", "!(has(self.mergeGateways) && self.mergeGateways && has(self.mergeBackends))",
                     "`mergeGateways` and `mergeBackends` cannot both be enabled"));
  return resource<EnvoyProxy>(metadata_type(kSubdomain, 253), spec, field("status", envoy_proxy_status()))
      .doc("Settings of the Envoys of a Gateway or GatewayClass.");
}

}  // namespace sluice::api

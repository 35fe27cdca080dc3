#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/envoy_gateway/types.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kModuleName{R"(^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$)",
                              "lower-case letters, digits, `.` and `-`, a letter or digit at both ends"};
constexpr Pattern kSha256{R"(^[a-f0-9]{64}$)", "a SHA-256: 64 lower-case hexadecimal digits"};
constexpr Pattern kHttpUrl{R"(^https?://[^/?#]+(?:[/?#].*)?$)", "an http or https URL"};
constexpr Pattern kMaxMindFile{R"(^.*\.mmdb$)", "a path that ends in `.mmdb`"};

Rule needs(const char* name, const char* message, bool (*holds)(const Value&), const char* suggestion = "") {
  return {.name = name, .message = message, .holds = holds, .suggestion = suggestion};
}

// An object whose fields are not checked yet: its pods and services are Kubernetes' own types.
Type opaque() { return object({}).preserving_unknown(); }

// ---- provider ------------------------------------------------------------------------------------

Type kubernetes() {
  const Type patch = opaque();
  const Type name = string();
  const Type service =
      object({
                 field("allocateLoadBalancerNodePorts", boolean()),
                 field("annotations", map(string())),
                 field("externalTrafficPolicy", enumeration({"Local", "Cluster"})).defaults_to("Local"),
                 field("labels", map(string())),
                 field("loadBalancerClass", string()),
                 field("loadBalancerIP", string()),
                 field("loadBalancerSourceRanges", list(string())),
                 field("name", name),
                 field("patch", patch),
                 field("type", enumeration({"ClusterIP", "LoadBalancer", "NodePort"}))
                     .defaults_to("LoadBalancer"),
             })
          .with(needs("load-balancer",
                      "`allocateLoadBalancerNodePorts`, `loadBalancerSourceRanges` and `loadBalancerIP` need "
                      "a Service "
                      "of type `LoadBalancer`",
                      [](const Value& self) {
                        return self["type"].text() == "LoadBalancer" ||
                               (!self.has("allocateLoadBalancerNodePorts") &&
                                !self.has("loadBalancerSourceRanges") && !self.has("loadBalancerIP"));
                      }));
  return object({
                    field("envoyDaemonSet", opaque()),
                    field("envoyDeployment", opaque()),
                    field("envoyHpa", opaque()),
                    field("envoyPDB", opaque()),
                    field("envoyService", service),
                    field("envoyServiceAccount", object({field("name", name)})),
                    field("useListenerPortAsContainerPort", boolean()),
                })
      .with(needs(
          "provider", "`envoyDeployment` and `envoyDaemonSet` are both set",
          [](const Value& self) { return !self.has("envoyDeployment") || !self.has("envoyDaemonSet"); },
          "keep one of the two"))
      .with(needs("provider", "`envoyHpa` scales no DaemonSet",
                  [](const Value& self) { return !self.has("envoyHpa") || !self.has("envoyDaemonSet"); }));
}

// ---- telemetry -----------------------------------------------------------------------------------

bool has_text_format(const Value& self) { return self["type"].text() != "Text" || self.has("text"); }
bool has_json_format(const Value& self) { return self["type"].text() != "JSON" || self.has("json"); }
bool has_no_foreign_format(const Value& self) {
  return !(self["type"].text() == "Text" && self.has("json")) &&
         !(self["type"].text() == "JSON" && self.has("text"));
}
bool has_some_format(const Value& self) { return self.has("type") || self.has("text") || self.has("json"); }

// An access log sink's type and the field that is its configuration.
struct SinkMember {
  const char* type;
  const char* member;
};
constexpr std::array<SinkMember, 3> kSinkMembers{
    {{"ALS", "als"}, {"File", "file"}, {"OpenTelemetry", "openTelemetry"}}};

template <std::size_t kIndex>
bool has_own_member(const Value& sink) {
  return sink["type"].text() != kSinkMembers[kIndex].type || sink.has(kSinkMembers[kIndex].member);
}
template <std::size_t kIndex>
bool has_no_foreign_member(const Value& sink) {
  return sink["type"].text() == kSinkMembers[kIndex].type || !sink.has(kSinkMembers[kIndex].member);
}

template <std::size_t... kIndexes>
std::vector<Rule> sink_rules(std::index_sequence<kIndexes...>) {
  std::vector<Rule> rules;
  const auto add = [&rules](const SinkMember& sink, bool (*own)(const Value&),
                            bool (*foreign)(const Value&)) {
    rules.push_back(
        {.name = "access-log-sink",
         .message = std::string("a sink of type `") + sink.type + "` needs the field `" + sink.member + "`",
         .holds = own,
         .suggestion = std::string("add `") + sink.member + "`",
         .blame = "type"});
    rules.push_back(
        {.name = "access-log-sink",
         .message =
             std::string("`") + sink.member + "` is set, and the sink's type is not `" + sink.type + "`",
         .holds = foreign,
         .suggestion = std::string("set `type: ") + sink.type + "`, or remove `" + sink.member + "`",
         .blame = sink.member});
  };
  (add(kSinkMembers[kIndexes], has_own_member<kIndexes>, has_no_foreign_member<kIndexes>), ...);
  return rules;
}

Type access_log() {
  const Type format =
      object({
                 field("json", map(string())),
                 field("text", string()),
                 field("type", enumeration({"Text", "JSON"})),
             })
          .with(needs("access-log-format", "a format of type `Text` needs the field `text`", has_text_format))
          .with(needs("access-log-format", "a format of type `JSON` needs the field `json`", has_json_format))
          .with(needs("access-log-format", "the format has a field of the other type", has_no_foreign_format,
                      "keep `text` or `json`, as the type says"))
          .with(
              needs("access-log-format", "a format without a type needs `text` or `json`", has_some_format));
  const Type sink = object({
                               field("als", opaque()),
                               field("file", object({field("path", string().min_length(1))})),
                               field("openTelemetry", opaque()),
                               field("type", enumeration({"ALS", "File", "OpenTelemetry"})),
                           })
                        .with(sink_rules(std::make_index_sequence<kSinkMembers.size()>()));
  const Type setting = object({
      field("format", format),
      field("matches", list(string()).max_items(10)),
      field("sinks", list(sink).items(1, 50)).required(),
      field("type", enumeration({"Listener", "Route", "Upstream"})),
  });
  return object({
      field("disable", boolean()),
      field("settings", list(setting).items(1, 50)),
  });
}

Type telemetry() {
  return object({
      field("accessLog", access_log()),
      field("healthCheckLog", opaque()),
      field("metrics", opaque()),
      field("requestID",
            object({field("tracing", enumeration({"PackAndSample", "Sample", "Pack", "Disable"}))})),
      field("tracing", opaque()),
  });
}

// ---- the rest ------------------------------------------------------------------------------------

Type bootstrap() {
  const Type patch = object({
      field("from", string()),
      field("jsonPath", string()),
      field("op", enumeration({"add", "remove", "replace", "move", "copy", "test"})).required(),
      field("path", string()),
      field("value", any()),
  });
  return object({
                    field<&ProxyBootstrap::type>("type", enumeration({"Merge", "Replace", "JSONPatch"}))
                        .defaults_to("Replace"),
                    field<&ProxyBootstrap::value>("value", string()),
                    field<&ProxyBootstrap::json_patches>("jsonPatches", list(patch)),
                })
      .with(needs("bootstrap",
                  "a bootstrap of type `JSONPatch` needs `jsonPatches`, one of another type needs `value`",
                  [](const Value& self) {
                    return self["type"].text() == "JSONPatch" ? self["jsonPatches"].size() > 0
                                                              : self.has("value");
                  }));
}

Type dynamic_modules() {
  const Type source =
      object({
                 field("type", enumeration({"Local", "Remote"})).defaults_to("Local"),
                 field("local", object({field("path", string().length(1, 4096)).required()})),
                 field("remote", object({
                                     field("sha256", string().matches(kSha256)).required(),
                                     field("url", string().length(1, 4096).matches(kHttpUrl)).required(),
                                 })),
             })
          .with(needs(
              "module-source", "the field `remote` goes with the type `Remote`, and only with it",
              [](const Value& self) { return (self["type"].text() == "Remote") == self.has("remote"); }))
          .with(
              needs("module-source", "the field `local` goes with the type `Local`, and only with it",
                    [](const Value& self) { return (self["type"].text() == "Local") == self.has("local"); }));
  return list(object({
                  field("name", string().length(1, 253).matches(kModuleName)).required(),
                  field("source", source).required(),
                  field("doNotClose", boolean()).defaults_to(false),
                  field("loadGlobally", boolean()).defaults_to(false),
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
  return list(object({
                         field("name", enumeration(filters)).required(),
                         field("before", enumeration(filters)),
                         field("after", enumeration(filters)),
                     })
                  .with(needs("filter-order", "a position needs one of `before` and `after`",
                              [](const Value& self) { return self.has("before") != self.has("after"); })));
}

Type geo_ip() {
  const Type database =
      object({field("local", object({field("path", string().matches(kMaxMindFile)).required()})).required()});
  const Type max_mind = object({
                                   field("anonymousIpDbSource", database),
                                   field("asnDbSource", database),
                                   field("cityDbSource", database),
                                   field("countryDbSource", database),
                                   field("ispDbSource", database),
                               })
                            .with(needs("geo-ip", "at least one database is needed", [](const Value& self) {
                              return self.has("anonymousIpDbSource") || self.has("asnDbSource") ||
                                     self.has("cityDbSource") || self.has("countryDbSource") ||
                                     self.has("ispDbSource");
                            }));
  const Type provider =
      object({
                 field("type", enumeration({"MaxMind"})).required(),
                 field("maxMind", max_mind),
             })
          .with(needs("geo-ip", "the type `MaxMind` needs the field `maxMind`", [](const Value& self) {
            return self["type"].text() != "MaxMind" || self.has("maxMind");
          }));
  return object({field("provider", provider).required()});
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
  Field result = field<&EnvoyProxySpec::routing_type>("routingType", string());
  result.codec = &kCodec;
  return result;
}

bool has_text(const Value& value) {
  return value.text().find_first_not_of(" \t\n\r") != std::string_view::npos;
}

Type lua() {
  const Rule not_blank =
      needs("lua", "an entry is blank", [](const Value& self) { return self.all(has_text); });
  const Rule not_root = needs("lua", "the root of the file system is no allowed path", [](const Value& self) {
    return self.all(
        [](const Value& item) { return item.text().find_first_not_of('/') != std::string_view::npos; });
  });
  return object(
             {
                 field(
                     "strictValidation",
                     object({
                         field("allowedEnvVars", list(string().length(1, 256)).max_items(64).with(not_blank)),
                         field("allowedPaths",
                               list(string().length(1, 4096)).max_items(64).with(not_blank).with(not_root)),
                     })),
                 field("validationType", enumeration({"Strict", "InsecureSyntax", "Disabled"}))
                     .defaults_to("Strict"),
             })
      .with(needs("lua", "`strictValidation` needs the validation type `Strict`", [](const Value& self) {
        return !self.has("strictValidation") || self["validationType"].text() == "Strict";
      }));
}

}  // namespace

Type envoy_proxy_type() {
  const Tree default_level = Tree::map({{.key = "default", .value = Tree::string("warn")}});
  const Type logging = object({
      field<&ProxyLogging::level>(
          "level", map(enumeration({"trace", "debug", "info", "warn", "error", "off", "critical"})))
          .defaults_to(default_level),
  });
  const Type provider = object({
      field<&EnvoyProxySpec::provider_type>("type", enumeration({"Kubernetes", "Host"})).required(),
      field("host", object({field("envoyVersion", string())})),
      field("kubernetes", kubernetes()),
  });
  const Type spec =
      object({
                 field<&EnvoyProxySpec::backend_tls>(
                     "backendTLS", object(backend_tls_fields<>()).with(tls_settings_rules())),
                 field<&EnvoyProxySpec::bootstrap>("bootstrap", bootstrap()),
                 field<&EnvoyProxySpec::concurrency>("concurrency", int32()),
                 field("dynamicModules", dynamic_modules()),
                 field<&EnvoyProxySpec::extra_args>("extraArgs", list(string())),
                 field("filterOrder", filter_order()),
                 field("geoIP", geo_ip()),
                 field<&EnvoyProxySpec::ip_family>("ipFamily", enumeration({"IPv4", "IPv6", "DualStack"})),
                 field<&EnvoyProxySpec::logging>("logging", logging)
                     .defaults_to(Tree::map({{.key = "level", .value = default_level}})),
                 field("lua", lua()),
                 field("luaValidation", enumeration({"Strict", "InsecureSyntax", "Disabled"})),
                 field("mergeBackends", object({field("selector", label_selector())})),
                 field<&EnvoyProxySpec::merge_gateways>("mergeGateways", boolean()),
                 field("mergeType", enumeration({"Replace", "StrategicMerge", "JSONMerge"})),
                 field<&EnvoyProxySpec::preserve_route_order>("preserveRouteOrder", boolean()),
                 flattened("provider", provider),
                 routing_type(),
                 field<&EnvoyProxySpec::shutdown>(
                     "shutdown",
                     object({
                         field<&ShutdownConfig::drain_timeout>("drainTimeout", gateway_duration()),
                         field<&ShutdownConfig::health_check_failure_delay>("healthCheckFailureDelay",
                                                                            gateway_duration()),
                         field<&ShutdownConfig::min_drain_duration>("minDrainDuration", gateway_duration()),
                     })),
                 field<&EnvoyProxySpec::telemetry>("telemetry", telemetry()),
             })
          .with(needs(
              "lua", "`luaValidation` and `lua` are both set",
              [](const Value& self) { return !self.has("luaValidation") || !self.has("lua"); },
              "keep `lua`, which replaces `luaValidation`"))
          .with(needs("merge", "`mergeGateways` and `mergeBackends` cannot both be enabled",
                      [](const Value& self) {
                        return !self["mergeGateways"].is_true() || !self.has("mergeBackends");
                      }));
  return resource<EnvoyProxy>(metadata_type(kSubdomain, 253), spec);
}

}  // namespace sluice::api

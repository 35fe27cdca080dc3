#include <string>
#include <vector>

#include <fmt/format.h>

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/envoy_gateway/types.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kModuleName{R"(^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$)",
                              "lower-case letters, digits, `.` and `-`, a letter or digit at both ends"};
constexpr Pattern kSha256{R"(^[a-f0-9]{64}$)", "a SHA-256: 64 lower-case hexadecimal digits"};
constexpr Pattern kHttpUrl{R"(^https?://[^/?#]+(?:[/?#].*)?$)", "an http or https URL"};
constexpr Pattern kMaxMindFile{R"(^.*\.mmdb$)", "a path that ends in `.mmdb`"};

Rule rule(const char* name, const char* cel, const char* message, const char* suggestion = "",
          const char* blame = "") {
  return {.name = name, .cel = cel, .message = message, .suggestion = suggestion, .blame = blame};
}

// An object whose fields are not checked yet: its pods and services are Kubernetes' own types.
Type opaque() { return object({}).preserving_unknown(); }

// ---- provider ------------------------------------------------------------------------------------

// What only a load balancer can have.
std::vector<Rule> service_rules() {
  std::vector<Rule> rules;
  for (const char* const member :
       {"allocateLoadBalancerNodePorts", "loadBalancerSourceRanges", "loadBalancerIP"}) {
    rules.push_back({.name = "load-balancer",
                     .cel = fmt::format("!has(self.{}) || self.type == 'LoadBalancer'", member),
                     .message = fmt::format("`{}` needs a Service of type `LoadBalancer`", member),
                     .blame = member});
  }
  return rules;
}

Type kubernetes() {
  const Type patch = opaque();
  const Type name = string();
  const Type service =
      object(
          {
              field("allocateLoadBalancerNodePorts", boolean())
                  .doc("Whether the Service gets ports of the nodes."),
              field("annotations", map(string())).doc("Annotations of the Service."),
              field("externalTrafficPolicy", enumeration({"Local", "Cluster"}))
                  .defaults_to("Local")
                  .doc("Whether connections stay on the node that they come to."),
              field("labels", map(string())).doc("Labels of the Service."),
              field("loadBalancerClass", string()).doc("The load balancer to use."),
              field(
                  "loadBalancerIP",
                  string().with(rule(
                      "load-balancer",
                      R"x(self.matches(r"^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$"))x",
                      "`loadBalancerIP` must be an IPv4 address")))
                  .doc("The address to ask for."),
              field("loadBalancerSourceRanges", list(string())).doc("The addresses that may connect."),
              field("name", name).doc("The name of the Service."),
              field("patch", patch).doc("A patch for the Service, as it is made otherwise."),
              field("type", enumeration({"ClusterIP", "LoadBalancer", "NodePort"}))
                  .defaults_to("LoadBalancer")
                  .doc("The type of the Service."),
          })
          .with(service_rules());
  return object(
             {
                 field("envoyDaemonSet", opaque()).doc("Settings of the DaemonSet, instead of a Deployment."),
                 field("envoyDeployment", opaque()).doc("Settings of the Deployment."),
                 field("envoyHpa", opaque()).doc("Settings of its autoscaler."),
                 field("envoyPDB", opaque()).doc("Settings of its disruption budget."),
                 field("envoyService", service).doc("Settings of its Service."),
                 field("envoyServiceAccount", object({field("name", name).doc("The name of the account.")}))
                     .doc("Settings of its account."),
                 field("useListenerPortAsContainerPort", boolean())
                     .doc("Whether Envoy binds the ports that listeners name."),
             })
      .with(
          rule("provider",
               "((has(self.envoyDeployment) && !has(self.envoyDaemonSet)) || (!has(self.envoyDeployment) && "
               "has(self.envoyDaemonSet))) || (!has(self.envoyDeployment) && !has(self.envoyDaemonSet))",
               "`envoyDeployment` and `envoyDaemonSet` are both set", "keep one of the two"))
      .with(rule("provider",
                 "((has(self.envoyHpa) && !has(self.envoyDaemonSet)) || (!has(self.envoyHpa) && "
                 "has(self.envoyDaemonSet))) || (!has(self.envoyHpa) && !has(self.envoyDaemonSet))",
                 "`envoyHpa` scales no DaemonSet"));
}

// ---- telemetry -----------------------------------------------------------------------------------

// A sink has the field of its type, and only that.
std::vector<Rule> sink_rules() {
  struct Sink {
    const char* type;
    const char* member;
  };
  std::vector<Rule> rules;
  for (const Sink& sink :
       {Sink{"ALS", "als"}, Sink{"File", "file"}, Sink{"OpenTelemetry", "openTelemetry"}}) {
    rules.push_back(
        {.name = "access-log-sink",
         .cel = fmt::format("self.type == '{0}' ? has(self.{1}) : !has(self.{1})", sink.type, sink.member),
         .message =
             fmt::format("the field `{}` goes with the type `{}`, and only with it", sink.member, sink.type),
         .blame = "type"});
  }
  return rules;
}

Type access_log() {
  const Type format =
      object({
                 field("json", map(string())).doc("Members of the JSON object of each line."),
                 field("text", string()).doc("The line, with operators such as `%RESPONSE_CODE%`."),
                 field("type", enumeration({"Text", "JSON"})).doc("Whether lines are text or JSON."),
             })
          .with({
              rule("access-log-format", "has(self.type) && self.type == 'Text' ? has(self.text) : true",
                   "a format of type `Text` needs the field `text`", "add `text`", "type"),
              rule("access-log-format", "has(self.type) && self.type == 'Text' ? !has(self.json) : true",
                   "`json` is set, and the type of the format is `Text`", "remove `json`", "json"),
              rule("access-log-format", "has(self.type) && self.type == 'JSON' ? has(self.json) : true",
                   "a format of type `JSON` needs the field `json`", "add `json`", "type"),
              rule("access-log-format", "has(self.type) && self.type == 'JSON' ? !has(self.text) : true",
                   "`text` is set, and the type of the format is `JSON`", "remove `text`", "text"),
              rule("access-log-format", "!has(self.type) ? (has(self.text) || has(self.json)) : true",
                   "a format without a type needs `text` or `json`"),
          });
  const Type sink =
      object({
                 field("als", opaque()).doc("A gRPC service that takes the log."),
                 field("file", object({field("path", string().min_length(1))
                                           .doc("The path of the file, such as `/dev/stdout`.")}))
                     .doc("A file that takes the log."),
                 field("openTelemetry", opaque()).doc("A collector that takes the log."),
                 field("type", enumeration({"ALS", "File", "OpenTelemetry"})).doc("Where the log goes."),
             })
          .with(sink_rules());
  const Type setting = object({
      field("format", format).doc("What a line is."),
      field("matches", list(string()).max_items(10))
          .doc("CEL expressions over requests: only those for which all are true are logged."),
      field("sinks", list(sink).items(1, 50)).required().doc("Where the log goes."),
      field("type", enumeration({"Listener", "Route", "Upstream"}))
          .doc("Whether it is for listeners, routes or upstreams. By default for the first two."),
  });
  return object({
      field("disable", boolean()).doc("Whether nothing is logged."),
      field("settings", list(setting).items(1, 50))
          .doc("Logs. Without any, there is one of text on standard output."),
  });
}

Type telemetry() {
  return object({
      field("accessLog", access_log()).doc("The log of requests."),
      field("healthCheckLog", opaque()).doc("The log of health checks."),
      field("metrics", opaque()).doc("Metrics, and where they go."),
      field("requestID", object({field("tracing", enumeration({"PackAndSample", "Sample", "Pack", "Disable"}))
                                     .doc("What the id says about tracing.")}))
          .doc("How requests get an id."),
      field("tracing", opaque()).doc("Traces, and where they go."),
  });
}

// ---- the rest ------------------------------------------------------------------------------------

Type bootstrap() {
  const Type patch = object({
      field("from", string()).doc("The place that `move` and `copy` take from."),
      field("jsonPath", string()).doc("An expression that finds the places to change."),
      field("op", enumeration({"add", "remove", "replace", "move", "copy", "test"}))
          .required()
          .doc("What is done."),
      field("path", string()).doc("The place to change."),
      field("value", any()).doc("The new value."),
  });
  return object({
                    field<&ProxyBootstrap::type>("type", enumeration({"Merge", "Replace", "JSONPatch"}))
                        .defaults_to("Replace")
                        .doc("Whether `value` replaces Envoy's bootstrap, is merged into it, or "
                             "`jsonPatches` change it."),
                    field<&ProxyBootstrap::value>("value", string())
                        .doc("The bootstrap, or a part of it, as YAML."),
                    field<&ProxyBootstrap::json_patches>("jsonPatches", list(patch))
                        .doc("Changes, as in RFC 6902."),
                })
      .with(rule("bootstrap", "self.type == 'JSONPatch' ? self.jsonPatches.size() > 0 : has(self.value)",
                 "a bootstrap of type `JSONPatch` needs `jsonPatches`, one of another type needs `value`"));
}

Type dynamic_modules() {
  const Type source =
      object(
          {
              field("type", enumeration({"Local", "Remote"}))
                  .defaults_to("Local")
                  .doc("Whether the module is a file, or fetched."),
              field("local",
                    object({field("path", string().length(1, 4096)).required().doc("The path of the file.")}))
                  .doc("A file."),
              field("remote",
                    object({
                        field("sha256", string().matches(kSha256))
                            .required()
                            .doc("The hash that the file must have."),
                        field("url", string().length(1, 4096).matches(kHttpUrl)).required().doc("The URL."),
                    }))
                  .doc("A URL from which it is fetched."),
          })
          .with({
              rule("module-source", "self.type == 'Remote' ? has(self.remote) : !has(self.remote)",
                   "the field `remote` goes with the type `Remote`, and only with it"),
              rule("module-source", "self.type != 'Local' || has(self.local)",
                   "the type `Local` needs the field `local`", "add `local`", "type"),
              rule("module-source", "self.type == 'Remote' ? !has(self.local) : true",
                   "`local` is set, and the type is `Remote`", "remove `local`", "local"),
          });
  return list(object({
                  field("name", string().length(1, 253).matches(kModuleName))
                      .required()
                      .doc("The name of the module, by which policies refer to it."),
                  field("source", source).required().doc("Where the module is."),
                  field("doNotClose", boolean())
                      .defaults_to(false)
                      .doc("Whether the library stays loaded when it is no longer used."),
                  field("loadGlobally", boolean())
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
                 field("name", enumeration(filters)).required().doc("The filter to move."),
                 field("before", enumeration(filters)).doc("The filter in front of which it runs."),
                 field("after", enumeration(filters)).doc("The filter behind which it runs."),
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
                 field(
                     "strictValidation",
                     object({
                         field("allowedEnvVars",
                               list(string().length(1, 256)).max_items(64).with(no_blank_name))
                             .doc("Environment variables that they may read."),
                         field(
                             "allowedPaths",
                             list(string().length(1, 4096)).max_items(64).with(no_blank_path).with(not_root))
                             .doc("Paths that they may read."),
                     }))
                     .doc("What scripts may use while they are validated."),
                 field("validationType", enumeration({"Strict", "InsecureSyntax", "Disabled"}))
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
      field("kubernetes", kubernetes()).passive().doc("Settings for Envoys in a cluster."),
  });
  const Type spec =
      object({
                 field<&EnvoyProxySpec::backend_tls>(
                     "backendTLS", object(backend_tls_fields<>()).with(tls_settings_rules()))
                     .doc("TLS to backends, for all of them."),
                 field<&EnvoyProxySpec::bootstrap>("bootstrap", bootstrap()).doc("What Envoy starts with."),
                 field<&EnvoyProxySpec::concurrency>("concurrency", int32())
                     .doc("How many worker threads Envoy has. By default one a core."),
                 field("dynamicModules", dynamic_modules()).doc("Modules that policies may use."),
                 field<&EnvoyProxySpec::extra_args>("extraArgs", list(string()))
                     .doc("More arguments of Envoy's command line."),
                 field("filterOrder", filter_order()).doc("Changes of the order in which HTTP filters run."),
                 field("geoIP", geo_ip()).doc("Where places of addresses are looked up."),
                 field<&EnvoyProxySpec::ip_family>("ipFamily", enumeration({"IPv4", "IPv6", "DualStack"}))
                     .doc("The families of addresses that Envoy binds and connects to."),
                 field<&EnvoyProxySpec::logging>("logging", logging)
                     .defaults_to(Tree::map({{.key = "level", .value = default_level}}))
                     .doc("What Envoy logs about itself."),
                 field("lua", lua()).doc("How Lua scripts are validated."),
                 field("luaValidation", enumeration({"Strict", "InsecureSyntax", "Disabled"}))
                     .doc("The same; `lua` replaces it."),
                 field("mergeBackends", object({field("selector", label_selector())
                                                    .doc("The labels of the routes for which they do.")}))
                     .doc("Whether rules with the same backends share a cluster."),
                 field<&EnvoyProxySpec::merge_gateways>("mergeGateways", boolean())
                     .doc("Whether all Gateways of a class share one Envoy."),
                 field("mergeType", enumeration({"Replace", "StrategicMerge", "JSONMerge"}))
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
                             .ineffective()
                             .doc("How long it waits before health checks fail."),
                         field<&ShutdownConfig::min_drain_duration>("minDrainDuration", gateway_duration())
                             .doc("How long connections are taken at least."),
                     }))
                     .doc("How Envoy ends."),
                 field<&EnvoyProxySpec::telemetry>("telemetry", telemetry())
                     .ineffective()
                     .doc("Logs, metrics and traces."),
             })
          .with(rule("lua", "!has(self.luaValidation) || !has(self.lua)",
                     "`luaValidation` and `lua` are both set", "keep `lua`, which replaces `luaValidation`"))
          .with(rule("merge", "!(has(self.mergeGateways) && self.mergeGateways && has(self.mergeBackends))",
                     "`mergeGateways` and `mergeBackends` cannot both be enabled"));
  return resource<EnvoyProxy>(metadata_type(kSubdomain, 253), spec, field("status", envoy_proxy_status()))
      .doc("Settings of the Envoys of a Gateway or GatewayClass.");
}

}  // namespace sluice::api

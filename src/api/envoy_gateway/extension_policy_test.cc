#include "api/envoy_gateway/extension_policy.h"

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/kinds.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

constexpr std::string_view kPolicy =
    "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {name: p}\nspec:\n";
constexpr std::string_view kTargets =
    "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}]\n";

ReadObject read(const std::string& text) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << problems[0].message;
  return read_object(documents.at(0).tree, Trust::kCheck);
}

// A policy with these fields.
ReadObject read_policy(std::string_view spec) { return read(fmt::format("{}{}{}", kPolicy, kTargets, spec)); }

EnvoyExtensionPolicySpec bound(const ReadObject& read) {
  for (const Problem& problem : read.problems) {
    if (problem.severity == Severity::kError) ADD_FAILURE() << problem.path << ": " << problem.message;
  }
  if (!read.bound) return {};
  return std::get<std::shared_ptr<const EnvoyExtensionPolicy>>(read.bound->object)->spec;
}

// "line:column path code: message (suggestion)" of each problem but that the kind has no effect, one a line.
std::string problems_of(const ReadObject& read) {
  std::string all;
  for (const Problem& problem : read.problems) {
    if (problem.code == "support/no-effect") continue;
    if (!all.empty()) all += '\n';
    all += fmt::format("{}:{} {} {}: {}", problem.where.line, problem.where.column, problem.path,
                       problem.code, problem.message);
    if (!problem.suggestion.empty()) all += fmt::format(" ({})", problem.suggestion);
  }
  return all;
}

TEST(EnvoyExtensionPolicy, ExternalProcessing) {
  const EnvoyExtensionPolicySpec spec = bound(read_policy(R"(
  extProc:
  - backendRefs: [{name: a, port: 9000}, {group: gateway.envoyproxy.io, kind: Backend, name: b, fallback: true, weight: 3}]
    messageTimeout: 1s
    failOpen: true
    statusOnError: 503
    processingMode:
      request: {body: Buffered, attributes: [request.path]}
      response: {}
      allowModeOverride: true
    metadata: {accessibleNamespaces: [a], writableNamespaces: [b]}
    shadowMode: false
  - backendRefs: [{name: c, port: 1}]
)"));
  ASSERT_EQ(spec.ext_proc.size(), 2U);
  const ExtProc& first = spec.ext_proc[0];
  ASSERT_EQ(first.backends.backend_refs.size(), 2U);
  EXPECT_EQ(first.backends.backend_refs[0].ref.port, 9000);
  EXPECT_EQ(first.backends.backend_refs[1].ref.kind, "Backend");
  EXPECT_TRUE(first.backends.backend_refs[1].fallback);
  EXPECT_EQ(first.backends.backend_refs[1].weight, 3);
  EXPECT_EQ(first.message_timeout, std::chrono::seconds(1));
  EXPECT_TRUE(first.fail_open);
  EXPECT_EQ(first.status_on_error, 503);
  EXPECT_EQ(first.processing_mode->request->body, BodyProcessingMode::kBuffered);
  EXPECT_EQ(first.processing_mode->request->attributes, std::vector<std::string>{"request.path"});
  EXPECT_EQ(first.processing_mode->response, ProcessingOptions());
  EXPECT_TRUE(first.processing_mode->allow_mode_override);
  EXPECT_EQ(first.metadata->accessible_namespaces, std::vector<std::string>{"a"});
  EXPECT_EQ(first.metadata->writable_namespaces, std::vector<std::string>{"b"});
  ExtProc bare;
  bare.backends.backend_refs.push_back({.ref = {.name = "c", .namespace_ = {}, .port = 1}});
  EXPECT_EQ(spec.ext_proc[1], bare);
}

// What a policy says of backends, in all its depth.
TEST(EnvoyExtensionPolicy, BackendSettings) {
  const EnvoyExtensionPolicySpec spec = bound(read_policy(R"(
  extProc:
  - backendSettings:
      circuitBreaker:
        maxConnections: 2048
        perEndpoint: {}
        retryBudget: {percent: {numerator: 5}, minRetryConcurrency: 3}
      connection: {bufferLimit: 32Ki, socketBufferLimit: 65536, preconnect: {perEndpointPercent: 150}}
      dns: {lookupFamily: IPv6, respectDnsTtl: false, dnsRefreshRate: 5s}
      healthCheck:
        active: {type: GRPC, grpc: {service: s}, overrides: {port: 81}, healthCheckLog: {sinks: [{type: File, file: {path: /log}}]}}
        passive: {consecutive5XxErrors: 7}
        panicThreshold: 20
      http2: {maxConcurrentStreams: 100, connectionKeepalive: {interval: 10s, timeout: 1s}}
      loadBalancer:
        type: ConsistentHash
        consistentHash: {type: Cookie, cookie: {name: c, ttl: 1h}}
        endpointOverride: {extractFrom: [{header: X-Host}]}
      proxyProtocol: {version: V2}
      retry: {retryOn: {triggers: [5xx], httpStatusCodes: [500]}, perRetry: {timeout: 1s, backOff: {baseInterval: 1ms}}}
      tcpKeepalive: {probes: 3}
      timeout: {tcp: {connectTimeout: 15s}, http: {requestTimeout: 2s}}
  - backendSettings: {loadBalancer: {type: LeastRequest, slowStart: {window: 30s}}, healthCheck: {active: {type: TCP, tcp: {send: {type: Binary, binary: AAE=}}}}}
)"));
  ASSERT_EQ(spec.ext_proc.size(), 2U);
  const ClusterSettings& all = *spec.ext_proc[0].backends.backend_settings;
  EXPECT_EQ(all.circuit_breaker->max_connections, 2048);
  EXPECT_EQ(all.circuit_breaker->max_pending_requests, 1024);
  EXPECT_EQ(all.circuit_breaker->per_endpoint->max_connections, 1024);
  EXPECT_EQ(all.circuit_breaker->retry_budget->percent.numerator, 5);
  EXPECT_EQ(all.circuit_breaker->retry_budget->min_retry_concurrency, 3);
  EXPECT_EQ(bytes_of(*all.connection->buffer_limit), 32'768U);
  EXPECT_EQ(bytes_of(*all.connection->socket_buffer_limit), 65'536U);
  EXPECT_EQ(all.connection->preconnect->per_endpoint_percent, 150);
  EXPECT_EQ(all.dns->lookup_family, DNSLookupFamily::kIPv6);
  EXPECT_EQ(all.dns->respect_dns_ttl, false);
  EXPECT_EQ(all.dns->dns_refresh_rate, std::chrono::seconds(5));
  EXPECT_EQ(all.health_check->active->type, HealthCheckType::kGRPC);
  EXPECT_EQ(all.health_check->active->grpc_service, "s");
  EXPECT_EQ(all.health_check->active->overrides_port, 81);
  EXPECT_EQ(all.health_check->active->interval, std::chrono::seconds(3));
  EXPECT_EQ(all.health_check->active->health_check_log->sinks.at(0).path, "/log");
  EXPECT_EQ(all.health_check->passive->consecutive_5xx_errors, 7);
  EXPECT_EQ(all.health_check->passive->base_ejection_time, std::chrono::seconds(30));
  EXPECT_EQ(all.health_check->panic_threshold, 20);
  EXPECT_EQ(all.http2->max_concurrent_streams, 100);
  EXPECT_EQ(all.http2->connection_keepalive->timeout, std::chrono::seconds(1));
  EXPECT_EQ(all.load_balancer->type, LoadBalancerType::kConsistentHash);
  EXPECT_EQ(all.load_balancer->consistent_hash->cookie->ttl, std::chrono::hours(1));
  EXPECT_EQ(all.load_balancer->consistent_hash->table_size, 65'537);
  EXPECT_EQ(all.load_balancer->endpoint_override.at(0).header, "X-Host");
  EXPECT_EQ(all.proxy_protocol->version, ProxyProtocolVersion::kV2);
  EXPECT_EQ(all.retry->num_retries, 2);
  EXPECT_EQ(all.retry->retry_on->http_status_codes, std::vector<std::int32_t>{500});
  EXPECT_EQ(all.retry->per_retry->back_off->base_interval, std::chrono::milliseconds(1));
  EXPECT_EQ(all.tcp_keepalive->probes, 3);
  EXPECT_EQ(all.timeout->connect_timeout, std::chrono::seconds(15));
  EXPECT_EQ(all.timeout->http->request_timeout, std::chrono::seconds(2));
  const ClusterSettings& second = *spec.ext_proc[1].backends.backend_settings;
  EXPECT_EQ(second.load_balancer->slow_start_window, std::chrono::seconds(30));
  EXPECT_EQ(second.health_check->active->tcp->send->binary, std::string("\0\1", 2));
}

TEST(EnvoyExtensionPolicy, Wasm) {
  const EnvoyExtensionPolicySpec spec = bound(read_policy(R"(
  wasm:
  - name: first
    rootID: root
    code: {type: HTTP, http: {url: "https://a.example/m.wasm", sha256: 84274ca23246855cc491b3c6a657a89167e0b109a7ae380f1e64df77c910307e, tls: {caCertificateRef: {kind: ConfigMap, name: ca}}}}
    config: {a: [1, {b: null}]}
    failOpen: true
    env: {hostKeys: [HOME]}
  - code: {type: Image, pullPolicy: Always, image: {url: oci://a.example/m:v1, pullSecretRef: {name: s, namespace: n}}}
)"));
  ASSERT_EQ(spec.wasm.size(), 2U);
  EXPECT_EQ(spec.wasm[0].name, "first");
  EXPECT_EQ(spec.wasm[0].root_id, "root");
  EXPECT_EQ(spec.wasm[0].code.http->url, "https://a.example/m.wasm");
  EXPECT_EQ(spec.wasm[0].code.http->sha256,
            "84274ca23246855cc491b3c6a657a89167e0b109a7ae380f1e64df77c910307e");
  EXPECT_EQ(spec.wasm[0].code.http->tls->ca_certificate_ref.kind, "ConfigMap");
  EXPECT_TRUE(spec.wasm[0].config->at("a[1]")->find("b")->is_null());
  EXPECT_TRUE(spec.wasm[0].fail_open);
  EXPECT_EQ(spec.wasm[0].env->host_keys, std::vector<std::string>{"HOME"});
  EXPECT_EQ(spec.wasm[1].code.type, WasmCodeType::kImage);
  EXPECT_EQ(spec.wasm[1].code.pull_policy, WasmPullPolicy::kAlways);
  EXPECT_EQ(spec.wasm[1].code.image->url, "oci://a.example/m:v1");
  EXPECT_EQ(spec.wasm[1].code.image->pull_secret_ref->namespace_, "n");
  EXPECT_FALSE(spec.wasm[1].config.has_value());
}

TEST(EnvoyExtensionPolicy, ScriptsAndModules) {
  const EnvoyExtensionPolicySpec spec = bound(read_policy(R"(
  lua: [{inline: "x = 1", filterContext: {a: b}}, {type: ValueRef, valueRef: {group: v1, kind: ConfigMap, name: c}}]
  dynamicModule: [{name: m, filterName: f, config: text, terminalFilter: true}]
  mergeType: JSONMerge
)"));
  ASSERT_EQ(spec.lua.size(), 2U);
  EXPECT_EQ(spec.lua[0].inline_, "x = 1");
  EXPECT_EQ(spec.lua[0].filter_context->at("a")->as_string(), "b");
  EXPECT_EQ(spec.lua[1].type, LuaType::kValueRef);
  EXPECT_EQ(spec.lua[1].value_ref->name, "c");
  ASSERT_EQ(spec.dynamic_module.size(), 1U);
  EXPECT_EQ(spec.dynamic_module[0].filter_name, "f");
  EXPECT_EQ(spec.dynamic_module[0].config->as_string(), "text");
  EXPECT_TRUE(spec.dynamic_module[0].terminal_filter);
  EXPECT_EQ(spec.merge_type, "JSONMerge");
}

TEST(EnvoyExtensionPolicy, Targets) {
  const ReadObject old = read(fmt::format(
      "{}  targetRef: {{group: gateway.networking.k8s.io, kind: Gateway, name: gw, sectionName: http}}\n"
      "  targetSelectors:\n"
      "  - {{kind: HTTPRoute, matchLabels: {{a: b}}, namespaces: {{from: Selector, selector: {{}}}}}}\n"
      "  - {{kind: GRPCRoute, matchExpressions: [{{key: k, operator: Exists}}]}}\n",
      kPolicy));
  EXPECT_EQ(
      problems_of(old),
      "5:3 spec.targetRef support/deprecated-field: `targetRef` is deprecated: `targetRefs` replaces it "
      "(write `targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw, sectionName: "
      "http}]`)");
  const PolicyTargets targets = bound(old).targets;
  const LocalPolicyTargetReference gateway{
      .group = "gateway.networking.k8s.io", .kind = "Gateway", .name = "gw", .section_name = "http"};
  EXPECT_EQ(targets.refs(), std::vector{gateway});
  ASSERT_EQ(targets.target_selectors.size(), 2U);
  EXPECT_EQ(targets.target_selectors[0].group, "gateway.networking.k8s.io");
  EXPECT_EQ(targets.target_selectors[0].labels.match_labels.at("a"), "b");
  EXPECT_EQ(targets.target_selectors[0].namespaces->from, FromNamespaces::kSelector);
  EXPECT_EQ(targets.target_selectors[1].labels.match_expressions.at(0).operator_, "Exists");
  EXPECT_FALSE(targets.target_selectors[1].namespaces.has_value());
}

TEST(EnvoyExtensionPolicy, RulesSayWhatIsWrongWhere) {
  EXPECT_EQ(problems_of(read(fmt::format("{}  lua: []\n", kPolicy))),
            "5:3 spec schema/policy-target: a policy needs `targetRefs` or `targetSelectors`, and not "
            "`targetRef` beside `targetRefs` (say in `targetRefs` what the policy is about)");
  EXPECT_EQ(
      problems_of(read(fmt::format(
          "{}  targetRefs:\n  - {{group: gateway.networking.k8s.io, kind: Service, name: s}}\n", kPolicy))),
      "6:46 spec.targetRefs[0].kind schema/policy-target: a target is a `Gateway`, `ListenerSet`, "
      "`HTTPRoute`, `GRPCRoute`, `UDPRoute`, `TCPRoute` or `TLSRoute`");
  EXPECT_EQ(problems_of(read_policy("  mergeType: Replace\n")),
            "6:14 spec.mergeType schema/merge-type: a merge of type `Replace` is none for an "
            "EnvoyExtensionPolicy (write `StrategicMerge` or `JSONMerge`, or remove it)");
  EXPECT_EQ(
      problems_of(read_policy("  extProc:\n  - backendRef: {name: a, port: 1}\n")),
      "7:17 spec.extProc[0].backendRef schema/backends: `backendRef` is not taken any more (write it as "
      "an item of `backendRefs`)");
}

// The object is bound all the same, for whoever has to say that it does not work.
TEST(EnvoyExtensionPolicy, ADigestOfAnotherFormIsAProblemOfItsValue) {
  const auto http = [](std::string_view digest) {
    return read_policy(fmt::format(
        "  wasm:\n  - code: {{type: HTTP, http: {{url: 'https://a.example/m', sha256: {}}}}}\n", digest));
  };
  const std::string digest(64, 'a');
  EXPECT_EQ(problems_of(http(digest)), "");
  EXPECT_EQ(
      problems_of(http("'" + digest.substr(24) + "'")),
      "7:67 spec.wasm[0].code.http.sha256 value/sha256: a SHA-256 is 64 hexadecimal digits, and this has "
      "40 (40 are those of a SHA-1; `sha256sum` prints that of a file)");
  EXPECT_EQ(problems_of(http("'12ab'")),
            "7:67 spec.wasm[0].code.http.sha256 value/sha256: a SHA-256 is 64 hexadecimal digits, and this "
            "has 4 (`sha256sum` prints that of a file)");
  EXPECT_EQ(problems_of(http("sha256:A" + digest.substr(1))),
            "7:67 spec.wasm[0].code.http.sha256 value/sha256: a SHA-256 is 64 lower-case hexadecimal digits "
            "(write `" +
                digest + "`)");
  EXPECT_EQ(
      problems_of(http("v1.0.0")),
      "7:67 spec.wasm[0].code.http.sha256 value/sha256: a SHA-256 is 64 hexadecimal digits, and this is "
      "none (`sha256sum` prints that of a file)");
  EXPECT_EQ(problems_of(http("''")),
            "7:67 spec.wasm[0].code.http.sha256 value/sha256: the SHA-256 is empty (remove it, or write it: "
            "`sha256sum` prints that of a file)");
  const ReadObject short_one = http("'12ab'");
  ASSERT_TRUE(short_one.bound.has_value());
  EXPECT_EQ(std::get<std::shared_ptr<const EnvoyExtensionPolicy>>(short_one.bound->object)
                ->spec.wasm.at(0)
                .code.http->sha256,
            "12ab");
}

TEST(ByteSize, IsCountedInBytes) {
  EXPECT_EQ(bytes_of(65536), 65'536U);
  EXPECT_EQ(bytes_of("65536"), 65'536U);
  EXPECT_EQ(bytes_of("1k"), 1'000U);
  EXPECT_EQ(bytes_of("2Ki"), 2'048U);
  EXPECT_EQ(bytes_of("3M"), 3'000'000U);
  EXPECT_EQ(bytes_of("1Ei"), std::uint64_t{1} << 60);
}

TEST(ByteSize, IsNoneWhereItDoesNotFitOrIsNone) {
  EXPECT_EQ(bytes_of("16Ei"), std::nullopt);
  EXPECT_EQ(bytes_of("99999999999999999999"), std::nullopt);
  EXPECT_EQ(bytes_of(-1), std::nullopt);
  EXPECT_EQ(bytes_of("1x"), std::nullopt);
  EXPECT_EQ(bytes_of("1Kix"), std::nullopt);
  EXPECT_EQ(bytes_of(""), std::nullopt);
}

}  // namespace
}  // namespace sluice::api

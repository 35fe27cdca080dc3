#include "translate/cluster_settings.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/envoy_gateway/cluster_settings_fields.h"
#include "schema/bind.h"
#include "schema/check.h"
#include "tree/parse.h"

namespace sluice::translate {
namespace {

using namespace std::chrono_literals;

// `backendSettings` in YAML that the schema takes.
api::ClusterSettings settings_of(std::string_view yaml) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(yaml, "", &problems);
  const schema::Type type = api::backend_settings();
  api::ClusterSettings settings;
  const Tree& tree = documents.at(0).tree;
  schema::check(tree, type, &problems);
  schema::bind(tree, type, &settings, &problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.path << ": " << problem.message << " in\n" << yaml;
  }
  return settings;
}

ReadSettings read(std::string_view yaml, const FindModule& find_module = {}) {
  return read_cluster_settings(settings_of(yaml), find_module);
}

ir::ClusterSettings cluster(std::string_view yaml) {
  const ReadSettings made = read(yaml);
  for (const SettingProblem& problem : made.problems)
    ADD_FAILURE() << problem.path << ": " << problem.message;
  return made.cluster;
}

ir::RequestSettings requests(std::string_view yaml) {
  const ReadSettings made = read(yaml);
  for (const SettingProblem& problem : made.problems)
    ADD_FAILURE() << problem.path << ": " << problem.message;
  return made.requests;
}

ir::LoadBalancing balancing(std::string_view yaml) {
  return cluster(fmt::format("{{loadBalancer: {}}}", yaml)).load_balancing.value();
}

ir::HealthCheck health_check(std::string_view yaml) {
  return cluster(fmt::format("{{healthCheck: {{active: {}}}}}", yaml)).health_check.value();
}

// ---- what becomes of settings ------------------------------------------------------------------------

TEST(ClusterSettings, OfNothingAreNone) {
  EXPECT_EQ(cluster("{}"), ir::ClusterSettings{});
  EXPECT_EQ(requests("{}"), ir::RequestSettings{});
}

// The settings of the parity case envoyextensionpolicy-with-extproc-with-retries.
TEST(ClusterSettings, AreAllRead) {
  const ReadSettings made = read(R"(
circuitBreaker: {maxConnections: 2048}
connection: {bufferLimit: 20Mi}
dns: {respectDnsTtl: true}
healthCheck:
  passive: {consecutiveGatewayErrors: 4, interval: 5s}
http2:
  initialConnectionWindowSize: 2Mi
  initialStreamWindowSize: 128Ki
  maxConcurrentStreams: 200
  onInvalidMessage: TerminateStream
loadBalancer:
  consistentHash: {header: {name: X-some-header}, type: Header}
  type: ConsistentHash
proxyProtocol: {version: V2}
retry:
  numRetries: 2
  perRetry: {backOff: {baseInterval: 200ms, maxInterval: 3s}, timeout: 3s}
  retryOn: {triggers: [5xx, unavailable, internal, deadline-exceeded]}
tcpKeepalive: {probes: 7}
timeout: {tcp: {connectTimeout: 15s}}
)");
  EXPECT_EQ(made.problems, std::vector<SettingProblem>{});
  EXPECT_EQ(
      made.cluster,
      (ir::ClusterSettings{
          .load_balancing = {{.kind = ir::LoadBalancing::Kind::kHash, .table_size = 65'537}},
          .outlier_detection = {{.interval = 5s, .gateway_errors = 4}},
          .circuit_breakers = {{.connections = 2'048, .pending = 1'024, .requests = 1'024, .retries = 1'024}},
          .connect_timeout = 15s,
          .buffer_limit = 20'971'520,
          .tcp_keepalive = {{.probes = 7}},
          .http2 = {{.stream_window = 131'072,
                     .connection_window = 2'097'152,
                     .max_streams = 200,
                     .error_ends_stream = true}},
          .dns = {{.respect_ttl = true}},
          .proxy_protocol = ir::ProxyProtocol::kV2}));
  EXPECT_EQ(made.requests,
            (ir::RequestSettings{
                .hash = {{.kind = ir::HashKey::Kind::kHeader, .name = "X-some-header"}},
                .retry = ir::RetryPolicy{.attempts = 2,
                                         .on = {"5xx", "deadline-exceeded", "internal", "unavailable"},
                                         .base_interval = 200ms,
                                         .max_interval = 3s,
                                         .per_try_timeout = 3s}}));
}

TEST(ClusterSettings, OfAServiceHaveWhatARouteWouldHave) {
  const Boxed<ir::ClusterSettings> settings =
      settings_of_service(read("{loadBalancer: {type: ConsistentHash, consistentHash: {type: SourceIP}}, "
                               "timeout: {http: {maxStreamDuration: 5s, requestTimeout: 1s}}}"),
                          "web.default:80");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->hash, std::vector<ir::HashKey>{{.kind = ir::HashKey::Kind::kSourceAddress}});
  EXPECT_EQ(settings->max_stream_duration, 5s);
}

TEST(ClusterSettings, OfAServiceMakeNoCookie) {
  const Boxed<ir::ClusterSettings> settings =
      settings_of_service(read("{loadBalancer: {type: ConsistentHash, consistentHash: {type: Cookie, cookie: "
                               "{name: u, ttl: 60s}}}}"),
                          "web.default:80");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->hash, (std::vector<ir::HashKey>{{.kind = ir::HashKey::Kind::kCookie, .name = "u"}}));
}

TEST(ClusterSettings, ThatAreNothingForAServiceAreTold) {
  std::vector<std::string> places;
  for (const SettingProblem& problem : unused_by_service(settings_of(
           "{loadBalancer: {type: ConsistentHash, consistentHash: {type: SourceIP}}, "
           "retry: {numAttemptsPerPriority: 1, perRetry: {timeout: 1s, backOff: {baseInterval: 1s}}, "
           "retryOn: {httpStatusCodes: [503], triggers: [reset]}}, "
           "timeout: {http: {requestTimeout: 1s, streamIdleTimeout: 1s, maxStreamDuration: 5s}}}"))) {
    EXPECT_EQ(problem.code, "support/no-effect");
    EXPECT_EQ(problem.severity, Severity::kWarning);
    places.push_back(problem.path);
  }
  EXPECT_EQ(places,
            (std::vector<std::string>{"loadBalancer.type", "retry.numAttemptsPerPriority",
                                      "retry.perRetry.timeout", "retry.retryOn.httpStatusCodes",
                                      "timeout.http.requestTimeout", "timeout.http.streamIdleTimeout"}));
}

TEST(ClusterSettings, OfAServiceThatOnlyRetriesAreNoneOfTheCluster) {
  EXPECT_FALSE(settings_of_service(read("{retry: {numRetries: 1}}"), "web.default:80"));
}

TEST(ClusterSettings, OfAServiceWatchItUnderItsName) {
  const auto question = [](std::string_view check) {
    const Boxed<ir::ClusterSettings> settings =
        settings_of_service(read(fmt::format("{{healthCheck: {{active: {}}}}}", check)), "web.default:80");
    EXPECT_TRUE(settings->health_check->while_idle);
    return settings->health_check->question;
  };
  using Question = decltype(ir::HealthCheck::question);
  EXPECT_EQ(question("{type: GRPC}"), Question(ir::GrpcQuestion{.authority = "web.default:80"}));
  EXPECT_EQ(question("{type: HTTP, http: {path: /}}"),
            Question(ir::HttpQuestion{
                .host = "web.default:80", .path = "/", .method = ir::HttpQuestion::Method::kUnset}));
  EXPECT_EQ(
      question("{type: HTTP, http: {path: /, hostname: a.test}}"),
      Question(ir::HttpQuestion{.host = "a.test", .path = "/", .method = ir::HttpQuestion::Method::kUnset}));
}

TEST(CircuitBreakers, LimitEachEndpointAndTheShareOfRetries) {
  EXPECT_EQ(cluster("{circuitBreaker: {maxRequestsPerConnection: 9, perEndpoint: {maxConnections: 5}, "
                    "retryBudget: {percent: {numerator: 1, denominator: 8}}}}"),
            (ir::ClusterSettings{.circuit_breakers = {{.connections = 1'024,
                                                       .pending = 1'024,
                                                       .requests = 1'024,
                                                       .retries = 1'024,
                                                       .retry_budget = {{.percent = 12.5, .min = 3}},
                                                       .connections_of_endpoint = 5}},
                                 .max_requests_per_connection = 9}));
}

TEST(Connections, HaveBuffersAndAreMadeBeforehand) {
  EXPECT_EQ(
      cluster("{connection: {bufferLimit: 65536, socketBufferLimit: 1M, preconnect: {perEndpointPercent: "
              "105}}}"),
      (ir::ClusterSettings{
          .buffer_limit = 65'536, .socket_buffer = 1'000'000, .preconnect = {{.per_endpoint = 105}}}));
}

TEST(Connections, AreProbedAfterWholeSeconds) {
  EXPECT_EQ(cluster("{tcpKeepalive: {idleTime: 1500ms, interval: 10ms}}").tcp_keepalive,
            (ir::TcpKeepalive{.idle_seconds = 1, .interval_seconds = 1}));
}

TEST(Timeouts, AreTheClustersOrTheRequests) {
  constexpr char kText[] =
      "{timeout: {http: {connectionIdleTimeout: 1s, maxConnectionDuration: 2s, requestTimeout: 3s, "
      "streamIdleTimeout: 4s, maxStreamDuration: 0s}}}";
  EXPECT_EQ(cluster(kText),
            (ir::ClusterSettings{.connection_idle_timeout = 1s, .max_connection_duration = 2s}));
  EXPECT_EQ(requests(kText),
            (ir::RequestSettings{.timeout = 3s, .stream_idle_timeout = 4s, .max_stream_duration = 0s}));
}

TEST(Names, AreLookedUpAsTheUserSays) {
  EXPECT_EQ(cluster("{dns: {dnsRefreshRate: 5s, lookupFamily: IPv4AndIPv6}}").dns,
            (ir::Dns{.refresh = 5s, .family = ir::Dns::Family::kBoth}));
}

TEST(Http2, ConnectionsAreProbed) {
  EXPECT_EQ(
      cluster("{http2: {onInvalidMessage: TerminateConnection, connectionKeepalive: {interval: 30s, "
              "timeout: 2500ms, intervalJitter: 20, idleInterval: 1m}}}")
          .http2,
      (ir::Http2{
          .error_ends_stream = false,
          .keepalive = {{.interval = 30s, .timeout = 2500ms, .jitter_percent = 20, .idle_interval = 60s}}}));
}

TEST(Retries, HaveEachTriggerAndStatusOnceAndSorted) {
  EXPECT_EQ(*requests("{retry: {retryOn: {triggers: [reset, 5xx, reset], httpStatusCodes: [503, 429, 503]}, "
                      "numAttemptsPerPriority: 4}}")
                 .retry,
            (ir::RetryPolicy{.on = {"5xx", "reset"}, .codes = {429, 503}, .attempts_per_priority = 4}));
}

TEST(Retries, StayInAPriorityWhereTheNumberOfAttemptsIsNone) {
  EXPECT_EQ(*requests("{retry: {numAttemptsPerPriority: 0}}").retry, ir::RetryPolicy{});
}

// ---- load balancing ----------------------------------------------------------------------------------

TEST(LoadBalancer, WarmsEndpointsUp) {
  EXPECT_EQ(balancing("{type: RoundRobin, slowStart: {window: 5m}}"),
            (ir::LoadBalancing{.kind = ir::LoadBalancing::Kind::kRoundRobin, .slow_start = 300s}));
}

TEST(LoadBalancer, GoesByUtilization) {
  const ir::LoadBalancing made =
      balancing(R"({type: BackendUtilization, backendUtilization: {blackoutPeriod: 10s,
      weightExpirationPeriod: 60s, weightUpdatePeriod: 10s, errorUtilizationPenaltyPercent: 150,
      metricNamesForComputingUtilization: [cpu_utilization],
      outOfBand: {port: 9001, authority: orca.example.com, reportingPeriod: 5s}}})");
  EXPECT_EQ(
      *made.utilization,
      (ir::Utilization{.blackout = 10s,
                       .weight_expiration = 60s,
                       .weight_update = 10s,
                       .error_penalty_percent = 150,
                       .metrics = {"cpu_utilization"},
                       .out_of_band = {{.period = 5s, .authority = "orca.example.com", .port = 9'001}}}));
}

TEST(LoadBalancer, HidesReportsOfUtilizationFromClientsUnlessTheyAreKept) {
  EXPECT_TRUE(
      requests("{loadBalancer: {type: BackendUtilization, backendUtilization: {}}}").hides_load_reports);
  EXPECT_FALSE(requests("{loadBalancer: {type: BackendUtilization, backendUtilization: {keepResponseHeaders: "
                        "true}}}")
                   .hides_load_reports);
  EXPECT_FALSE(requests("{loadBalancer: {type: Random}}").hides_load_reports);
}

TEST(LoadBalancer, PrefersTheOwnZone) {
  EXPECT_EQ(
      balancing("{type: Random, zoneAware: {preferLocal: {percentageEnabled: 50, force: {}}}}").prefer_local,
      (ir::PreferLocal{.min_endpoints = 6, .percent = 50, .min_in_zone = 1}));
}

TEST(LoadBalancer, WeighsZonesWhateverTheirOrder) {
  EXPECT_EQ(
      balancing("{type: Random, zoneAware: {weightedZones: [{zone: b, weight: 1}, {zone: a, weight: 0}]}}")
          .zone_weights,
      (std::vector<ir::ZoneWeight>{{"a", 0}, {"b", 1}}));
}

TEST(LoadBalancer, GoesWhereTheRequestSays) {
  EXPECT_EQ(balancing("{type: Random, endpointOverride: {extractFrom: [{header: x-a}, {header: x-b}]}}")
                .override_headers,
            (std::vector<std::string>{"x-a", "x-b"}));
}

TEST(LoadBalancer, IsAModuleThatIsRegistered) {
  const ReadSettings made = read(
      "{loadBalancer: {type: DynamicModule, dynamicModule: {name: mine, lbPolicyName: nearest, config: "
      "{a: 1}}}}",
      [](std::string_view name) {
        return ir::BalancingModule{.name = std::string(name), .path = "/opt/mine.so"};
      });
  EXPECT_EQ(made.problems, std::vector<SettingProblem>{});
  EXPECT_EQ(*made.cluster.load_balancing->module,
            (ir::BalancingModule{
                .name = "mine", .path = "/opt/mine.so", .policy = "nearest", .config = R"({"a":1})"}));
}

TEST(Hash, IsOfACookie) {
  EXPECT_EQ(
      requests("{loadBalancer: {type: ConsistentHash, consistentHash: {type: Cookie, cookie: {name: c, ttl: "
               "60s, attributes: {SameSite: Strict}}}}}")
          .hash,
      (std::vector<ir::HashKey>{{.kind = ir::HashKey::Kind::kCookie,
                                 .name = "c",
                                 .ttl = 60s,
                                 .attributes = {{"SameSite", "Strict"}}}}));
}

TEST(Hash, IsOfAllThatAreNamed) {
  const auto of = [](std::string_view text) {
    return requests(fmt::format("{{loadBalancer: {{type: ConsistentHash, consistentHash: {}}}}}", text)).hash;
  };
  EXPECT_EQ(of("{type: Headers, headers: [{name: b}, {name: a}]}"),
            (std::vector<ir::HashKey>{{.kind = ir::HashKey::Kind::kHeader, .name = "b"},
                                      {.kind = ir::HashKey::Kind::kHeader, .name = "a"}}));
  EXPECT_EQ(of("{type: QueryParams, queryParams: [{name: q}]}"),
            (std::vector<ir::HashKey>{{.kind = ir::HashKey::Kind::kQueryParameter, .name = "q"}}));
}

// ---- health ------------------------------------------------------------------------------------------

TEST(HealthCheck, AsksByHttp) {
  EXPECT_EQ(
      health_check("{type: HTTP, timeout: 500ms, initialJitter: 1s, overrides: {port: 9090}, http: {path: "
                   "/healthz, hostname: web.example, method: post, requestBody: {type: Text, text: ping}, "
                   "expectedResponse: {type: Binary, binary: cG9uZw==}, expectedStatuses: [300, 200, 300], "
                   "retriableStatuses: [429]}}"),
      (ir::HealthCheck{.question = ir::HttpQuestion{.host = "web.example",
                                                    .path = "/healthz",
                                                    .method = ir::HttpQuestion::Method::kPost,
                                                    .expected = {200, 300},
                                                    .retriable = {429},
                                                    .body = "ping",
                                                    .answer = "pong"},
                       .timeout = 500ms,
                       .initial_jitter = 1s,
                       .port = 9'090}));
}

TEST(HealthCheck, AsksByTcpAndGrpc) {
  EXPECT_EQ(health_check("{type: TCP, tcp: {send: {type: Text, text: ping}}}").question,
            (decltype(ir::HealthCheck::question){ir::TcpQuestion{.send = "ping"}}));
  EXPECT_EQ(health_check("{type: GRPC, grpc: {service: a.B}}").question,
            (decltype(ir::HealthCheck::question){ir::GrpcQuestion{.service = "a.B"}}));
}

TEST(HealthCheck, LogsAllUnlessItIsSaidWhat) {
  const auto log = [](std::string_view text) {
    return health_check(fmt::format("{{type: GRPC, healthCheckLog: {}}}", text)).log;
  };
  EXPECT_EQ(log("{}"), (ir::HealthCheckLog{.path = "/dev/stdout"}));
  EXPECT_EQ(
      log("{matches: [Failure, HealthyTransition], sinks: [{type: File, file: {path: /var/log/hc.log}}]}"),
      (ir::HealthCheckLog{.path = "/var/log/hc.log", .every_success = false}));
}

TEST(HealthCheck, JudgesEndpointsByTheirAnswers) {
  EXPECT_EQ(
      cluster(
          "{healthCheck: {panicThreshold: 0, passive: {alwaysEjectOneEndpoint: true, baseEjectionTime: "
          "1m, maxEjectionPercent: 100, splitExternalLocalOriginErrors: true, "
          "failurePercentageThreshold: 40, consecutive5XxErrors: 1, consecutiveLocalOriginFailures: 2}}}"),
      (ir::ClusterSettings{.outlier_detection = {{.ejection_time = 60s,
                                                  .max_ejected_percent = 100,
                                                  .always_one = true,
                                                  .server_errors = 1,
                                                  .local_failures = 2,
                                                  .local_apart = true,
                                                  .failure_percent = 40}},
                           .panic_threshold = 0}));
}

// ---- what cannot be ----------------------------------------------------------------------------------

struct Row {
  const char* sentence;
  const char* settings;  // YAML
  const char* want;
};

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.sentence; }

class Problems : public testing::TestWithParam<Row> {};

TEST_P(Problems, OfSettings) {
  const ReadSettings made = read(GetParam().settings);
  ASSERT_EQ(made.problems.size(), 1U);
  const Problem problem = problem_at(made.problems[0], {}, "spec");
  EXPECT_EQ(fmt::format("{}: {}{}{} [{}]", problem.path, problem.message,
                        problem.suggestion.empty() ? "" : "; ", problem.suggestion, problem.code),
            GetParam().want);
  EXPECT_FALSE(made.good());
}

INSTANTIATE_TEST_SUITE_P(
    Each, Problems,
    testing::Values(
        Row{"ABufferIsTooLarge", "{connection: {bufferLimit: 5Gi}}",
            "spec.connection.bufferLimit: 5368709120 bytes are too many; at most 4294967295 can be "
            "[value/setting]"},
        Row{"TooManyConnectionsAreMadeBeforehand",
            "{loadBalancer: {type: Random}, connection: {preconnect: {predictivePercent: 301}}}",
            "spec.connection.preconnect.predictivePercent: 301 percent of the connections that are needed "
            "are "
            "too many; at most 300 can be [value/setting]"},
        Row{"AWindowIsTooSmall", "{http2: {initialStreamWindowSize: 1Ki}}",
            "spec.http2.initialStreamWindowSize: 1024 bytes are too few; between 65535 and 2147483647 can be "
            "[value/setting]"},
        Row{"InvalidMessagesEndSomethingElse", "{http2: {onInvalidMessage: Ignore}}",
            "spec.http2.onInvalidMessage: `Ignore` is nothing that an invalid message can end; write "
            "`TerminateStream` or `TerminateConnection` [value/setting]"},
        Row{"AProbeMayTakeForEver", "{http2: {connectionKeepalive: {interval: 1s}}}",
            "spec.http2.connectionKeepalive: it is not said how long the answer to a probe may take; add "
            "`timeout` [value/setting]"},
        Row{"ThereIsNoTimeToConnect", "{timeout: {tcp: {connectTimeout: 0s}}}",
            "spec.timeout.tcp.connectTimeout: this cannot take no time at all; write more than `0s`, or "
            "leave "
            "it out [value/setting]"},
        Row{"ATableOfHashesIsNoPrime",
            "{loadBalancer: {type: ConsistentHash, consistentHash: {type: SourceIP, tableSize: 1000}}}",
            "spec.loadBalancer.consistentHash.tableSize: 1000 is no prime, and the hashes need one; the next "
            "is 1009 [value/setting]"},
        Row{"NothingIsHashed",
            "{loadBalancer: {type: ConsistentHash, consistentHash: {type: Headers, headers: []}}}",
            "spec.loadBalancer.consistentHash: nothing of a request is hashed: `headers` is empty; add names "
            "to `headers` [value/setting]"},
        Row{"AHeaderHasNoName",
            "{loadBalancer: {type: ConsistentHash, consistentHash: {type: Header, header: {name: ''}}}}",
            "spec.loadBalancer.consistentHash.header.name: this cannot be empty [value/setting]"},
        Row{"NoHeaderNamesTheEndpoint",
            "{loadBalancer: {type: Random, endpointOverride: {extractFrom: [{}]}}}",
            "spec.loadBalancer.endpointOverride.extractFrom[0]: it is not said which header names the "
            "endpoint; add `header` [value/setting]"},
        Row{"AZoneWeighsLessThanNothing",
            "{loadBalancer: {type: Random, zoneAware: {weightedZones: [{zone: a, weight: -1}]}}}",
            "spec.loadBalancer.zoneAware.weightedZones[0].weight: -1 is no number that Envoy can count to; "
            "it "
            "counts from 0 to 4294967295 [value/setting]"},
        Row{"AModuleIsNotRegistered",
            "{loadBalancer: {type: DynamicModule, dynamicModule: {name: mine, lbPolicyName: nearest}}}",
            "spec.loadBalancer.dynamicModule.name: no dynamic module `mine` is registered; add it to "
            "`spec.dynamicModules` of the EnvoyProxy [reference/module]"},
        Row{"AHealthCheckHasNoTime", "{healthCheck: {active: {type: TCP, tcp: {}, interval: 0s}}}",
            "spec.healthCheck.active.interval: this cannot take no time at all; write more than `0s`, or "
            "leave "
            "it out [value/setting]"},
        Row{"AHealthCheckAsksByAMethodOfProxies",
            "{healthCheck: {active: {type: HTTP, http: {path: /, method: connect}}}}",
            "spec.healthCheck.active.http.method: Envoy cannot ask with the method `connect`; use `GET` "
            "[value/setting]"},
        Row{"AnEndpointIsLeftOutForNoTime", "{healthCheck: {passive: {baseEjectionTime: 0s}}}",
            "spec.healthCheck.passive.baseEjectionTime: this cannot take no time at all; write more than "
            "`0s`, "
            "or leave it out [value/setting]"},
        Row{"NamesAreLookedUpAllTheTime", "{dns: {dnsRefreshRate: 1ms}}",
            "spec.dns.dnsRefreshRate: names cannot be looked up anew all the time; write a time of at least "
            "2ms, or leave it out for 30s [value/setting]"},
        Row{"TheKernelProbesLessOften", "{tcpKeepalive: {probes: 128}}",
            "spec.tcpKeepalive.probes: the kernel takes no 128 here, and no connection would be made; it "
            "takes "
            "up to 127 [value/setting]"},
        Row{"ARetryDoesNotWait", "{retry: {perRetry: {backOff: {baseInterval: 0s}}}}",
            "spec.retry.perRetry.backOff.baseInterval: this cannot take no time at all; write more than "
            "`0s`, "
            "or leave it out [value/setting]"},
        Row{"ARetryWaitsLongerThanAtMost",
            "{retry: {perRetry: {backOff: {baseInterval: 2s, maxInterval: 1s}}}}",
            "spec.retry.perRetry.backOff.maxInterval: `maxInterval`, how long a retry waits at most, is less "
            "than what the first waits; write at least the time of `baseInterval` [value/setting]"}),
    name_of);

}  // namespace
}  // namespace sluice::translate

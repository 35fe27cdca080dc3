#include "translate/cluster_settings.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "translate/setting_reader.h"

namespace sluice::translate {

namespace {

constexpr std::uint64_t kMostBytes = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMostSignedBytes = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kLeastWindow = 65'535;  // RFC 9113, section 6.9.2

// How the kernel's limits are called: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT.
constexpr std::int64_t kMostKeepaliveSeconds = 32'767;
constexpr std::int64_t kMostKeepaliveProbes = 127;

// By its name, where the user gives none: that of the cluster, which is Envoy's default, is no authority.
void watch_service(ir::HealthCheck& check, const std::string& authority) {
  check.while_idle = true;
  if (auto* http = std::get_if<ir::HttpQuestion>(&check.question); http != nullptr && http->host.empty()) {
    http->host = authority;
  }
  if (auto* grpc = std::get_if<ir::GrpcQuestion>(&check.question)) grpc->authority = authority;
}

void read(const api::CircuitBreaker& from, SettingReader& reader, ir::ClusterSettings& to) {
  ir::CircuitBreakers& limits = to.circuit_breakers.emplace();
  limits.connections = reader.count("circuitBreaker.maxConnections", from.max_connections);
  limits.pending = reader.count("circuitBreaker.maxPendingRequests", from.max_pending_requests);
  limits.requests = reader.count("circuitBreaker.maxParallelRequests", from.max_parallel_requests);
  limits.retries = reader.count("circuitBreaker.maxParallelRetries", from.max_parallel_retries);
  if (from.per_endpoint) {
    limits.connections_of_endpoint =
        reader.count("circuitBreaker.perEndpoint.maxConnections", from.per_endpoint->max_connections);
  }
  if (from.max_requests_per_connection) {
    to.max_requests_per_connection =
        reader.count("circuitBreaker.maxRequestsPerConnection", *from.max_requests_per_connection);
  }
  if (!from.retry_budget) return;
  constexpr double kPercent = 100;
  const api::RetryBudget& budget = *from.retry_budget;
  const double percent = kPercent * budget.percent.numerator / budget.percent.denominator;
  if (!(percent >= 0 && percent <= kPercent)) {
    reader.error("circuitBreaker.retryBudget.percent",
                 fmt::format("{}/{} is no share of the requests", budget.percent.numerator,
                             budget.percent.denominator),
                 "it is between 0 and 1");
  }
  limits.retry_budget = {.percent = percent};
  if (budget.min_retry_concurrency) {
    limits.retry_budget->min =
        reader.count("circuitBreaker.retryBudget.minRetryConcurrency", *budget.min_retry_concurrency);
  }
}

void read(const api::BackendConnection& from, SettingReader& reader, ir::ClusterSettings& to) {
  to.buffer_limit = reader.bytes("connection.bufferLimit", from.buffer_limit, 0, kMostBytes);
  to.socket_buffer =
      reader.bytes("connection.socketBufferLimit", from.socket_buffer_limit, 0, kMostSignedBytes);
  if (!from.preconnect) return;
  const ir::Preconnect preconnect{.per_endpoint = reader.count("connection.preconnect.perEndpointPercent",
                                                               from.preconnect->per_endpoint_percent),
                                  .predictive = reader.count("connection.preconnect.predictivePercent",
                                                             from.preconnect->predictive_percent)};
  constexpr std::uint32_t kMostPercent = 300;  // Envoy's; the schema has it for the other one only
  if (preconnect.predictive.value_or(0) > kMostPercent) {
    reader.error(
        "connection.preconnect.predictivePercent",
        fmt::format("{} percent of the connections that are needed are too many", *preconnect.predictive),
        fmt::format("at most {} can be", kMostPercent));
  }
  if (preconnect != ir::Preconnect{}) to.preconnect = preconnect;
}

void read(const api::DNSSettings& from, SettingReader& reader, ir::ClusterSettings& to) {
  constexpr ir::Duration kLeast{2};  // Envoy's: more than one millisecond
  ir::Dns& dns = to.dns.emplace();
  dns.refresh = from.dns_refresh_rate;
  dns.respect_ttl = from.respect_dns_ttl;
  if (from.lookup_family) dns.family = static_cast<ir::Dns::Family>(*from.lookup_family);
  if (dns.refresh && *dns.refresh < kLeast) {
    reader.error("dns.dnsRefreshRate", "names cannot be looked up anew all the time",
                 "write a time of at least 2ms, or leave it out for 30s");
  }
}

void read(const api::HTTP2Settings& from, SettingReader& reader, ir::ClusterSettings& to) {
  ir::Http2& http2 = to.http2.emplace();
  http2.stream_window = reader.bytes("http2.initialStreamWindowSize", from.initial_stream_window_size,
                                     kLeastWindow, kMostSignedBytes);
  http2.connection_window = reader.bytes("http2.initialConnectionWindowSize",
                                         from.initial_connection_window_size, kLeastWindow, kMostSignedBytes);
  http2.max_streams = reader.count("http2.maxConcurrentStreams", from.max_concurrent_streams);
  if (from.on_invalid_message == "TerminateStream") {
    http2.error_ends_stream = true;
  } else if (from.on_invalid_message == "TerminateConnection") {
    http2.error_ends_stream = false;
  } else if (!from.on_invalid_message.empty()) {
    reader.error("http2.onInvalidMessage",
                 fmt::format("`{}` is nothing that an invalid message can end", from.on_invalid_message),
                 "write `TerminateStream` or `TerminateConnection`");
  }
  if (!from.connection_keepalive) return;
  const api::HTTP2Keepalive& keepalive = *from.connection_keepalive;
  http2.keepalive = {
      .interval = reader.positive("http2.connectionKeepalive.interval", keepalive.interval),
      .timeout = reader.positive("http2.connectionKeepalive.timeout", keepalive.timeout),
      .jitter_percent = reader.count("http2.connectionKeepalive.intervalJitter", keepalive.interval_jitter),
      .idle_interval = reader.positive("http2.connectionKeepalive.idleInterval", keepalive.idle_interval)};
  if (!keepalive.timeout) {
    reader.error("http2.connectionKeepalive", "it is not said how long the answer to a probe may take",
                 "add `timeout`");
  }
}

void read(const api::TCPKeepalive& from, SettingReader& reader, ir::ClusterSettings& to) {
  // The kernel counts seconds; less than one is not none.
  const auto seconds = [&](std::string_view path, std::optional<ir::Duration> value) {
    std::optional<std::int64_t> whole;
    if (value) whole = std::chrono::ceil<std::chrono::seconds>(*value).count();
    if (value && *value >= std::chrono::seconds(1))
      whole = std::chrono::floor<std::chrono::seconds>(*value).count();
    return reader.count_to(path, whole, kMostKeepaliveSeconds);
  };
  std::optional<std::int64_t> probes;
  if (from.probes) probes = *from.probes;
  to.tcp_keepalive = {.probes = reader.count_to("tcpKeepalive.probes", probes, kMostKeepaliveProbes),
                      .idle_seconds = seconds("tcpKeepalive.idleTime", from.idle_time),
                      .interval_seconds = seconds("tcpKeepalive.interval", from.interval)};
}

void read(const api::Timeouts& from, SettingReader& reader, ReadSettings& to) {
  to.cluster.connect_timeout = reader.positive("timeout.tcp.connectTimeout", from.connect_timeout);
  if (!from.http) return;
  to.cluster.connection_idle_timeout = from.http->connection_idle_timeout;
  to.cluster.max_connection_duration = from.http->max_connection_duration;
  to.requests.timeout = from.http->request_timeout;
  to.requests.stream_idle_timeout = from.http->stream_idle_timeout;
  to.requests.max_stream_duration = from.http->max_stream_duration;
}

void read(const api::HealthCheck& from, SettingReader& reader, ir::ClusterSettings& to) {
  if (from.active) to.health_check = read_health_check(*from.active, reader);
  if (from.passive) to.outlier_detection = read_outlier_detection(*from.passive, reader);
  to.panic_threshold = reader.count("healthCheck.panicThreshold", from.panic_threshold);
}

template <typename T>
void sort_once(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
}

ir::RetryPolicy read_retry(const api::Retry& from, SettingReader& reader) {
  ir::RetryPolicy retry;
  retry.attempts = reader.count("retry.numRetries", std::int64_t{from.num_retries});
  retry.attempts_per_priority = reader.count("retry.numAttemptsPerPriority", from.num_attempts_per_priority);
  if (retry.attempts_per_priority == 0U) retry.attempts_per_priority.reset();
  if (from.retry_on) {
    retry.on = from.retry_on->triggers;
    sort_once(retry.on);
    for (const std::int32_t code : from.retry_on->http_status_codes) {
      retry.codes.push_back(static_cast<std::uint32_t>(code));
    }
    sort_once(retry.codes);
  }
  if (!from.per_retry) return retry;
  retry.per_try_timeout = from.per_retry->timeout;
  if (!from.per_retry->back_off) return retry;
  const api::RetryBackOff& back_off = *from.per_retry->back_off;
  retry.base_interval = reader.positive("retry.perRetry.backOff.baseInterval", back_off.base_interval);
  retry.max_interval = reader.positive("retry.perRetry.backOff.maxInterval", back_off.max_interval);
  if (retry.base_interval && retry.max_interval && *retry.max_interval < *retry.base_interval) {
    reader.error("retry.perRetry.backOff.maxInterval",
                 "`maxInterval`, how long a retry waits at most, is less than what the first waits",
                 "write at least the time of `baseInterval`");
  }
  return retry;
}

}  // namespace

bool ReadSettings::good() const {
  return std::ranges::none_of(
      problems, [](const SettingProblem& problem) { return problem.severity == Severity::kError; });
}

ReadSettings read_cluster_settings(const api::ClusterSettings& from, const FindModule& find_module) {
  ReadSettings to;
  SettingReader reader(to.problems);
  if (from.circuit_breaker) read(*from.circuit_breaker, reader, to.cluster);
  if (from.connection) read(*from.connection, reader, to.cluster);
  if (from.dns) read(*from.dns, reader, to.cluster);
  if (from.health_check) read(*from.health_check, reader, to.cluster);
  if (from.http2) read(*from.http2, reader, to.cluster);
  if (from.tcp_keepalive) read(*from.tcp_keepalive, reader, to.cluster);
  if (from.timeout) read(*from.timeout, reader, to);
  if (from.proxy_protocol) {
    to.cluster.proxy_protocol = from.proxy_protocol->version == api::ProxyProtocolVersion::kV2
                                    ? ir::ProxyProtocol::kV2
                                    : ir::ProxyProtocol::kV1;
  }
  if (from.load_balancer) {
    to.cluster.load_balancing = read_load_balancer(*from.load_balancer, find_module, reader);
    to.requests.hash = read_hash(*from.load_balancer, reader);
    const auto& utilization = from.load_balancer->backend_utilization;
    to.requests.hides_load_reports = from.load_balancer->type == api::LoadBalancerType::kBackendUtilization &&
                                     !(utilization && utilization->keep_response_headers);
  }
  if (from.retry) to.requests.retry = read_retry(*from.retry, reader);
  return to;
}

Boxed<ir::ClusterSettings> settings_of_service(ReadSettings read, const std::string& authority) {
  ir::ClusterSettings& cluster = read.cluster;
  if (cluster.health_check) watch_service(*cluster.health_check, authority);
  cluster.hash = std::move(read.requests.hash);
  // Envoy 1.40 dies where it is to make a cookie for a request that has no client.
  for (ir::HashKey& key : cluster.hash) key.ttl.reset();
  cluster.max_stream_duration = read.requests.max_stream_duration;
  if (cluster == ir::ClusterSettings{}) return {};
  return std::move(cluster);
}

std::vector<SettingProblem> unused_by_service(const api::ClusterSettings& from) {
  std::vector<SettingProblem> unused;
  const auto warn = [&unused](std::string path, std::string message, std::string suggestion) {
    unused.push_back({.code = "support/no-effect",
                      .severity = Severity::kWarning,
                      .path = std::move(path),
                      .message = std::move(message),
                      .suggestion = std::move(suggestion)});
  };
  if (from.load_balancer && from.load_balancer->type == api::LoadBalancerType::kConsistentHash) {
    warn("loadBalancer.type",
         "what is asked of a service has nothing of the client's to hash: any endpoint is taken",
         "write `LeastRequest`");
  }
  const auto no_route = [&warn](std::string path) {
    warn(std::move(path), "it is a setting of routes, and none leads to a service", "remove it");
  };
  if (from.retry) {
    const api::Retry& retry = *from.retry;
    if (retry.num_attempts_per_priority) no_route("retry.numAttemptsPerPriority");
    if (retry.per_retry && retry.per_retry->timeout) no_route("retry.perRetry.timeout");
    if (retry.retry_on && !retry.retry_on->http_status_codes.empty())
      no_route("retry.retryOn.httpStatusCodes");
  }
  if (from.timeout && from.timeout->http) {
    if (from.timeout->http->request_timeout) no_route("timeout.http.requestTimeout");
    if (from.timeout->http->stream_idle_timeout) no_route("timeout.http.streamIdleTimeout");
  }
  return unused;
}

Problem problem_at(const SettingProblem& of, const ObjectKey& object, std::string_view path) {
  return {.code = of.code,
          .severity = of.severity,
          .where = {},
          .object = object,
          .path = fmt::format("{}.{}", path, of.path),
          .message = of.message,
          .suggestion = of.suggestion};
}

}  // namespace sluice::translate

#include "api/envoy_gateway/cluster_settings.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "api/envoy_gateway/cluster_settings_fields.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// A limit of Envoy's, which counts in 32 bits.
Type limit() { return int64().range(0, std::numeric_limits<std::uint32_t>::max()); }

Rule no_backend_ref() {
  return {.name = "backends",
          .cel = "!has(self.backendRef)",
          .message = "`backendRef` is not taken any more",
          .suggestion = "write it as an item of `backendRefs`",
          .blame = "backendRef"};
}

}  // namespace

Type circuit_breaker() {
  constexpr int kDefault = 1024;
  const Type budget = object({
      field<&RetryBudget::min_retry_concurrency>("minRetryConcurrency", int32())
          .doc("How many retries may run at once whatever the share."),
      field<&RetryBudget::percent>("percent", fraction())
          .required()
          .doc("Which share of the requests may be retries."),
  });
  const Type per_endpoint = object({field<&EndpointLimits::max_connections>("maxConnections", limit())
                                        .defaults_to(kDefault)
                                        .doc("How many connections there may be.")});
  return object({
      field<&CircuitBreaker::max_connections>("maxConnections", limit())
          .defaults_to(kDefault)
          .doc("How many connections there may be."),
      field<&CircuitBreaker::max_parallel_requests>("maxParallelRequests", limit())
          .defaults_to(kDefault)
          .doc("How many requests may run at once."),
      field<&CircuitBreaker::max_parallel_retries>("maxParallelRetries", limit())
          .defaults_to(kDefault)
          .doc("How many retries may run at once."),
      field<&CircuitBreaker::max_pending_requests>("maxPendingRequests", limit())
          .defaults_to(kDefault)
          .doc("How many requests may wait."),
      field<&CircuitBreaker::max_requests_per_connection>("maxRequestsPerConnection", limit())
          .doc("After how many requests a connection ends."),
      field<&CircuitBreaker::per_endpoint>("perEndpoint", per_endpoint).doc("Limits for each endpoint."),
      field<&CircuitBreaker::retry_budget>("retryBudget", budget)
          .doc("A limit of retries that grows with the requests."),
  });
}

Type backend_connection() {
  const Type preconnect = object({
      field<&Preconnect::per_endpoint_percent>("perEndpointPercent", int32().range(100, 300))
          .doc("How many connections an endpoint has, in percent of those that it needs."),
      field<&Preconnect::predictive_percent>("predictivePercent", int32().at_least(100))
          .doc("The same over all endpoints, for those that are to be chosen next."),
  });
  return object({
      field<&BackendConnection::buffer_limit>("bufferLimit", byte_size())
          .doc("How much of a connection is buffered at most."),
      field<&BackendConnection::preconnect>("preconnect", preconnect)
          .doc("Connections before there are requests for them."),
      field<&BackendConnection::socket_buffer_limit>("socketBufferLimit", byte_size())
          .doc("The size of the buffers of sockets."),
  });
}

Type dns_settings() {
  return object({
      field<&DNSSettings::dns_refresh_rate>("dnsRefreshRate", gateway_duration())
          .doc("How often names are looked up anew."),
      field<&DNSSettings::lookup_family>(
          "lookupFamily", enumeration({"IPv4", "IPv6", "IPv4Preferred", "IPv6Preferred", "IPv4AndIPv6"}))
          .doc("The family of the addresses that are looked up."),
      field<&DNSSettings::respect_dns_ttl>("respectDnsTtl", boolean())
          .doc("Whether the answers say how often."),
  });
}

Type http2_settings() {
  const Type keepalive =
      object({
                 field<&HTTP2Keepalive::idle_interval>("idleInterval", gateway_duration())
                     .doc("How long a connection may be idle before a request probes it first."),
                 field<&HTTP2Keepalive::interval>("interval", gateway_duration())
                     .doc("How often a connection is probed."),
                 field<&HTTP2Keepalive::interval_jitter>("intervalJitter", percentage())
                     .doc("By how much the interval varies, in percent."),
                 field<&HTTP2Keepalive::timeout>("timeout", gateway_duration())
                     .doc("How long the answer may take."),
             })
          .with({.name = "keepalive",
                 .cel = "!has(self.timeout) || !has(self.interval) || "
                        "duration(self.timeout) < duration(self.interval)",
                 .message = "`timeout` is not shorter than `interval`",
                 .blame = "timeout"});
  return object({
      field<&HTTP2Settings::connection_keepalive>("connectionKeepalive", keepalive)
          .doc("How dead connections are found."),
      field<&HTTP2Settings::initial_connection_window_size>("initialConnectionWindowSize", byte_size())
          .doc("How much may be under way in a connection."),
      field<&HTTP2Settings::initial_stream_window_size>("initialStreamWindowSize", byte_size())
          .doc("How much may be under way in a stream."),
      field<&HTTP2Settings::max_concurrent_streams>(
          "maxConcurrentStreams", int32().range(1, std::numeric_limits<std::int32_t>::max()))
          .doc("How many streams a connection has at most."),
      field<&HTTP2Settings::on_invalid_message>("onInvalidMessage", string())
          .doc("What a message that is none ends: `TerminateStream` or `TerminateConnection`."),
  });
}

Type proxy_protocol() {
  return object({field<&ProxyProtocol::version>("version", enumeration({"V1", "V2"}))
                     .required()
                     .doc("The version of the protocol.")});
}

Type retry() {
  const Type back_off = object({
      field<&RetryBackOff::base_interval>("baseInterval", gateway_duration())
          .doc("How long the first retry waits; later ones wait longer."),
      field<&RetryBackOff::max_interval>("maxInterval", gateway_duration())
          .doc("How long a retry waits at most."),
  });
  const Type per_retry = object({
      field<&PerRetry::back_off>("backOff", back_off).doc("How long retries wait."),
      field<&PerRetry::timeout>("timeout", gateway_duration()).doc("How long each try may take."),
  });
  const Type retry_on = object({
      field<&RetryOn::http_status_codes>("httpStatusCodes", list(integer().range(100, 599)))
          .doc("The statuses that are retried."),
      field<&RetryOn::triggers>(
          "triggers",
          list(enumeration({"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure",
                            "retriable-4xx", "refused-stream", "retriable-status-codes", "cancelled",
                            "deadline-exceeded", "internal", "resource-exhausted", "unavailable"})))
          .doc("The failures that are retried, in Envoy's words."),
  });
  return object({
      field<&Retry::num_attempts_per_priority>("numAttemptsPerPriority", int32())
          .doc("After how many tries the backends of the next priority are used."),
      field<&Retry::num_retries>("numRetries", int32().at_least(0))
          .defaults_to(2)
          .doc("How often a request is sent again."),
      field<&Retry::per_retry>("perRetry", per_retry).doc("Settings of each try."),
      field<&Retry::retry_on>("retryOn", retry_on).doc("What is retried."),
  });
}

Type tcp_keepalive() {
  return object({
      field<&TCPKeepalive::idle_time>("idleTime", gateway_duration())
          .doc("How long a connection is idle before it is probed."),
      field<&TCPKeepalive::interval>("interval", gateway_duration()).doc("How often it is probed then."),
      field<&TCPKeepalive::probes>("probes", int32()).doc("After how many probes without answer it is dead."),
  });
}

Type timeouts() {
  const Type http = object({
      field<&HTTPTimeouts::connection_idle_timeout>("connectionIdleTimeout", gateway_duration())
          .doc("How long a connection may be idle."),
      field<&HTTPTimeouts::max_connection_duration>("maxConnectionDuration", gateway_duration())
          .doc("How long a connection may last."),
      field<&HTTPTimeouts::max_stream_duration>("maxStreamDuration", gateway_duration())
          .doc("How long a stream may last."),
      field<&HTTPTimeouts::request_timeout>("requestTimeout", gateway_duration())
          .doc("How long the answer to a whole request may take."),
      field<&HTTPTimeouts::stream_idle_timeout>("streamIdleTimeout", gateway_duration())
          .doc("How long a stream may be idle."),
  });
  return object({
      field<&Timeouts::http>("http", http).doc("Times of HTTP."),
      flattened("tcp", object({field<&Timeouts::connect_timeout>("connectTimeout", gateway_duration())
                                   .doc("How long connecting may take.")}))
          .doc("Times of TCP."),
  });
}

std::vector<Rule> cluster_settings_rules() {
  return {
      {.name = "preconnect",
       .cel = "!((has(self.connection) && has(self.connection.preconnect) && "
              "has(self.connection.preconnect.predictivePercent)) && !(has(self.loadBalancer) && "
              "has(self.loadBalancer.type) && self.loadBalancer.type in ['Random', 'RoundRobin']))",
       .message = "`predictivePercent` needs a load balancer of type `RoundRobin` or `Random`",
       .blame = "connection.preconnect.predictivePercent"},
  };
}

// ---- backends ---------------------------------------------------------------------------------------

Type policy_backend_refs() {
  using Reference = BackendObjectReference;
  return list(object(
                  {
                      field<&PolicyBackendRef::ref, &Reference::group>("group", group_name()).defaults_to(""),
                      field<&PolicyBackendRef::ref, &Reference::kind>("kind", kind_name())
                          .defaults_to("Service")
                          .doc("The kind of the backend: `Service`, `Backend` or `ServiceImport`."),
                      field<&PolicyBackendRef::ref, &Reference::name>("name", object_name())
                          .required()
                          .doc("The name of the backend."),
                      field<&PolicyBackendRef::ref, &Reference::namespace_>("namespace", namespace_name())
                          .doc("The namespace of the backend. Another one than this needs a ReferenceGrant "
                               "there."),
                      field<&PolicyBackendRef::ref, &Reference::port>("port", port_number())
                          .doc("The port of the Service. Other kinds may go without."),
                      field<&PolicyBackendRef::fallback>("fallback", boolean())
                          .doc("Whether it only serves when all others are down."),
                      field<&PolicyBackendRef::weight>("weight", int32().range(0, 1'000'000))
                          .defaults_to(1)
                          .doc("The share, in proportion to the weights of the others."),
                  })
                  .with(service_needs_port()))
      .max_items(16);
}

Type backend_settings() { return object(cluster_settings_fields<>()).with(cluster_settings_rules()); }

std::vector<Field> backend_fields(Field refs, Field settings) {
  return {
      // The rules refuse it.
      field("backendRef", backend_object_reference())
          .passive()
          .doc("Not taken any more; `backendRefs` replaces it."),
      std::move(refs).doc("The backends."),
      std::move(settings).doc("How Envoy treats the backends."),
  };
}

std::vector<Rule> backend_rules() {
  return {
      no_backend_ref(),
      {.name = "backends",
       .cel = "has(self.backendRefs) ? self.backendRefs.all(f, f.kind == 'Service' || f.kind == 'Backend') : "
              "true",
       .message = "a backend is a `Service` or a `Backend`",
       .blame = "kind"},
      {.name = "backends",
       .cel =
           R"(has(self.backendRefs) ? (self.backendRefs.all(f, f.group == "" || f.group == 'gateway.envoyproxy.io')) : true)",
       .message = "the group of a backend is empty or `gateway.envoyproxy.io`",
       .blame = "group"},
  };
}

std::vector<Rule> policy_backend_rules() {
  return {
      no_backend_ref(),
      {.name = "backends",
       .cel = "has(self.backendRefs) ? self.backendRefs.all(f, f.kind == 'Service' || f.kind == "
              "'ServiceImport' || f.kind == 'Backend') : true",
       .message = "a backend is a `Service`, a `ServiceImport` or a `Backend`",
       .blame = "kind"},
      {.name = "backends",
       .cel =
           R"(has(self.backendRefs) ? (self.backendRefs.all(f, f.group == "" || f.group == 'multicluster.x-k8s.io' || f.group == 'gateway.envoyproxy.io')) : true)",
       .message = "the group of a backend is empty, `multicluster.x-k8s.io` or `gateway.envoyproxy.io`",
       .blame = "group"},
  };
}

// ---- sizes ------------------------------------------------------------------------------------------

std::optional<std::uint64_t> bytes_of(const ByteSize& size) {
  if (const auto* const number = std::get_if<std::int32_t>(&size)) {
    return *number < 0 ? std::nullopt : std::optional<std::uint64_t>(*number);
  }
  const std::string& text = std::get<std::string>(size);
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc()) return std::nullopt;
  const std::string_view suffix(end, text.data() + text.size());
  if (suffix.empty()) return bytes;
  // k stands for thousand, and stands alone in lower case; with i the powers are of 1024.
  constexpr std::string_view kPowers = "kMGTPE";
  const bool is_binary = suffix.size() == 2 && suffix[1] == 'i';
  const std::size_t power = suffix == "Ki" ? 0 : kPowers.find(suffix[0]);
  if (power == std::string_view::npos || suffix.size() != (is_binary ? 2 : 1)) return std::nullopt;
  const std::uint64_t step = is_binary ? 1024 : 1000;
  for (std::size_t i = 0; i <= power; ++i) {
    if (bytes > std::numeric_limits<std::uint64_t>::max() / step) return std::nullopt;
    bytes *= step;
  }
  return bytes;
}

}  // namespace sluice::api

#include "api/envoy_gateway/cluster_settings.h"

#include <cstdint>
#include <limits>

#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// A limit of Envoy's, which counts in 32 bits.
Type limit() { return int64().range(0, std::numeric_limits<std::uint32_t>::max()); }

Type circuit_breaker() {
  constexpr int kDefault = 1024;
  const Type budget = object({
      field("minRetryConcurrency", int32()).doc("How many retries may run at once whatever the share."),
      field("percent", fraction()).required().doc("Which share of the requests may be retries."),
  });
  return object({
      field("maxConnections", limit()).defaults_to(kDefault).doc("How many connections there may be."),
      field("maxParallelRequests", limit()).defaults_to(kDefault).doc("How many requests may run at once."),
      field("maxParallelRetries", limit()).defaults_to(kDefault).doc("How many retries may run at once."),
      field("maxPendingRequests", limit()).defaults_to(kDefault).doc("How many requests may wait."),
      field("maxRequestsPerConnection", limit()).doc("After how many requests a connection ends."),
      field("perEndpoint", object({field("maxConnections", limit())
                                       .defaults_to(kDefault)
                                       .doc("How many connections there may be.")}))
          .doc("Limits for each endpoint."),
      field("retryBudget", budget).doc("A limit of retries that grows with the requests."),
  });
}

Type connection() {
  const Type preconnect = object({
      field("perEndpointPercent", int32().range(100, 300))
          .doc("How many connections an endpoint has, in percent of those that it needs."),
      field("predictivePercent", int32().at_least(100))
          .doc("The same over all endpoints, for those that are to be chosen next."),
  });
  return object({
      field("bufferLimit", byte_size()).doc("How much of a connection is buffered at most."),
      field("preconnect", preconnect).doc("Connections before there are requests for them."),
      field("socketBufferLimit", byte_size()).doc("The size of the buffers of sockets."),
  });
}

Type dns() {
  return object({
      field("dnsRefreshRate", gateway_duration()).doc("How often names are looked up anew."),
      field("lookupFamily", enumeration({"IPv4", "IPv6", "IPv4Preferred", "IPv6Preferred", "IPv4AndIPv6"}))
          .doc("The family of the addresses that are looked up."),
      field("respectDnsTtl", boolean()).doc("Whether the answers say how often."),
  });
}

Type http2() {
  const Type keepalive =
      object({
                 field("idleInterval", gateway_duration())
                     .doc("How long a connection may be idle before a request probes it first."),
                 field("interval", gateway_duration()).doc("How often a connection is probed."),
                 field("intervalJitter", percentage()).doc("By how much the interval varies, in percent."),
                 field("timeout", gateway_duration()).doc("How long the answer may take."),
             })
          .with({.name = "keepalive",
                 .cel = "!has(self.timeout) || !has(self.interval) || "
                        "duration(self.timeout) < duration(self.interval)",
                 .message = "`timeout` is not shorter than `interval`",
                 .blame = "timeout"});
  return object({
      field("connectionKeepalive", keepalive).doc("How dead connections are found."),
      field("initialConnectionWindowSize", byte_size()).doc("How much may be under way in a connection."),
      field("initialStreamWindowSize", byte_size()).doc("How much may be under way in a stream."),
      field("maxConcurrentStreams", int32().range(1, std::numeric_limits<std::int32_t>::max()))
          .doc("How many streams a connection has at most."),
      field("onInvalidMessage", string())
          .doc("What a message that is none ends: `TerminateStream` or `TerminateConnection`."),
  });
}

Type retry() {
  const Type back_off = object({
      field("baseInterval", gateway_duration())
          .doc("How long the first retry waits; later ones wait longer."),
      field("maxInterval", gateway_duration()).doc("How long a retry waits at most."),
  });
  const Type per_retry = object({
      field("backOff", back_off).doc("How long retries wait."),
      field("timeout", gateway_duration()).doc("How long each try may take."),
  });
  const Type retry_on = object({
      field("httpStatusCodes", list(integer().range(100, 599))).doc("The statuses that are retried."),
      field("triggers",
            list(enumeration({"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure",
                              "retriable-4xx", "refused-stream", "retriable-status-codes", "cancelled",
                              "deadline-exceeded", "internal", "resource-exhausted", "unavailable"})))
          .doc("The failures that are retried, in Envoy's words."),
  });
  return object({
      field("numAttemptsPerPriority", int32())
          .doc("After how many tries the backends of the next priority are used."),
      field("numRetries", int32().at_least(0)).defaults_to(2).doc("How often a request is sent again."),
      field("perRetry", per_retry).doc("Settings of each try."),
      field("retryOn", retry_on).doc("What is retried."),
  });
}

Type tcp_keepalive() {
  return object({
      field("idleTime", gateway_duration()).doc("How long a connection is idle before it is probed."),
      field("interval", gateway_duration()).doc("How often it is probed then."),
      field("probes", int32()).doc("After how many probes without answer it is dead."),
  });
}

Type timeout() {
  const Type http = object({
      field("connectionIdleTimeout", gateway_duration()).doc("How long a connection may be idle."),
      field("maxConnectionDuration", gateway_duration()).doc("How long a connection may last."),
      field("maxStreamDuration", gateway_duration()).doc("How long a stream may last."),
      field("requestTimeout", gateway_duration()).doc("How long the answer to a whole request may take."),
      field("streamIdleTimeout", gateway_duration()).doc("How long a stream may be idle."),
  });
  return object({
      field("http", http).doc("Times of HTTP."),
      field("tcp", object({field("connectTimeout", gateway_duration()).doc("How long connecting may take.")}))
          .doc("Times of TCP."),
  });
}

// Gateway API's reference to a backend, which may be a fallback here.
Type backend_reference() {
  Type type = backend_object_reference();
  type.fields.push_back(field("fallback", boolean()).doc("Whether it only serves when all others are down."));
  type.fields.push_back(field("weight", int32().range(0, 1'000'000))
                            .defaults_to(1)
                            .doc("The share, in proportion to the weights of the others."));
  return type;
}

}  // namespace

std::vector<Field> cluster_settings_fields() {
  return {
      field("circuitBreaker", circuit_breaker()).doc("Limits beyond which requests are refused at once."),
      field("connection", connection()).doc("Settings of connections."),
      field("dns", dns()).doc("How names are looked up."),
      field("healthCheck", health_check()).doc("How endpoints that do not work are found and left out."),
      field("http2", http2()).doc("Settings of HTTP/2."),
      field("loadBalancer", load_balancer()).doc("Which endpoint a request goes to."),
      field("proxyProtocol",
            object(
                {field("version", enumeration({"V1", "V2"})).required().doc("The version of the protocol.")}))
          .doc("Tells backends the client's address ahead of each connection."),
      field("retry", retry()).doc("Which requests are sent again, and how often."),
      field("tcpKeepalive", tcp_keepalive()).doc("How the kernel finds dead connections."),
      field("timeout", timeout()).doc("How long things may take."),
  };
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

std::vector<Field> backend_fields() {
  return {
      field("backendRef", backend_object_reference()).doc("Not taken any more; `backendRefs` replaces it."),
      field("backendRefs", list(backend_reference()).max_items(16)).doc("The backends."),
      field("backendSettings", object(cluster_settings_fields()).with(cluster_settings_rules()))
          .doc("How Envoy treats the backends."),
  };
}

std::vector<Rule> backend_rules() {
  return {
      {.name = "backends",
       .cel = "!has(self.backendRef)",
       .message = "`backendRef` is not taken any more",
       .suggestion = "write it as an item of `backendRefs`",
       .blame = "backendRef"},
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

}  // namespace sluice::api

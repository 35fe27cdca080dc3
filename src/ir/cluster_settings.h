// How a proxy treats the endpoints of a cluster, where users say more than nothing: which endpoint a request
// goes to, when one is left out, what connections are like.
//
// What is absent is as for a cluster without settings; xds/cluster.cc has these defaults. Nearly no cluster
// has settings, so that a cluster only points to them.
//
// Users set in one place what belongs to two: what is about a request and not about endpoints is in
// RequestSettings. A route has it for its requests. To a service that the proxy itself asks leads no route:
// then the cluster has the hash and the length of streams, and whoever asks the retries.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "ir/duration.h"

namespace sluice::ir {

// ---- which endpoint --------------------------------------------------------------------------

// What of a request is hashed, where those that are alike go to one endpoint.
struct HashKey {
  enum class Kind : std::uint8_t { kSourceAddress, kHeader, kCookie, kQueryParameter };
  Kind kind = Kind::kSourceAddress;
  std::string name;  // of the header, cookie or parameter
  // Of a cookie: the proxy makes it where it is missing, for so long; 0: until the browser ends.
  std::optional<Duration> ttl;
  std::vector<std::pair<std::string, std::string>> attributes;  // of that cookie; sorted

  bool operator==(const HashKey&) const = default;
};

// Weights by what endpoints report about their load (ORCA).
struct Utilization {
  // Reports in a stream of their own, beside those in answers.
  struct OutOfBand {
    std::optional<Duration> period;
    std::string authority;   // empty: the endpoint's
    std::uint16_t port = 0;  // 0: the endpoint's

    bool operator==(const OutOfBand&) const = default;
  };

  std::optional<Duration> blackout;           // a new endpoint's reports are not used for so long
  std::optional<Duration> weight_expiration;  // how long a weight is used without new reports
  std::optional<Duration> weight_update;
  std::optional<std::uint32_t> error_penalty_percent;
  std::vector<std::string> metrics;  // the highest counts where endpoints report no utilisation
  std::optional<OutOfBand> out_of_band;

  bool operator==(const Utilization&) const = default;
};

// A policy of the user's own, in a shared library that Envoy loads.
struct BalancingModule {
  std::string name;    // Envoy's, for the library
  std::string path;    // empty: Envoy finds the library by the name
  std::string policy;  // which of the library's
  std::string config;  // JSON; may be empty
  bool do_not_close = false;
  bool load_globally = false;

  bool operator==(const BalancingModule&) const = default;
};

// Endpoints of the proxy's own zone first.
struct PreferLocal {
  std::uint64_t min_endpoints = 6;           // in all, or else zones do not matter
  std::optional<std::uint32_t> percent;      // of requests for which zones matter
  std::optional<std::uint32_t> min_in_zone;  // with so many in the zone it gets all requests

  bool operator==(const PreferLocal&) const = default;
};

struct ZoneWeight {
  std::string zone;
  std::uint32_t weight = 1;  // of zones that are not named it is 1

  bool operator==(const ZoneWeight&) const = default;
};

struct LoadBalancing {
  enum class Kind : std::uint8_t { kLeastRequest, kRoundRobin, kRandom, kHash, kUtilization, kModule };
  Kind kind = Kind::kLeastRequest;
  std::optional<Duration> slow_start;         // new endpoints get fewer requests for so long
  std::optional<std::uint64_t> table_size;    // of kHash: a prime
  Boxed<Utilization> utilization;             // of kUtilization
  Boxed<BalancingModule> module;              // of kModule
  std::vector<std::string> override_headers;  // a request that names an endpoint in one of these goes there
  bool picked = false;                        // a picker has chosen the endpoint (ir::EndpointPicker)
  std::optional<PreferLocal> prefer_local;    // at most one of the two
  std::vector<ZoneWeight> zone_weights;       // sorted by zone

  // Localities are zones, whatever the backends say.
  bool by_zone() const { return prefer_local || !zone_weights.empty(); }
  bool operator==(const LoadBalancing&) const = default;
};

// ---- which endpoints are left out ------------------------------------------------------------

struct HealthCheckLog {
  std::string path;
  bool every_failure = true;  // else the first of a series only
  bool every_success = true;  // else the first after failures only

  bool operator==(const HealthCheckLog&) const = default;
};

// What endpoints are asked, by HTTP,
struct HttpQuestion {
  // The numbers are Envoy's.
  enum class Method : std::uint8_t {
    kUnset,
    kGet,
    kHead,
    kPost,
    kPut,
    kDelete,
    kOptions = 7,
    kTrace,
    kPatch
  };

  std::string host;  // empty: the cluster's name
  std::string path;
  Method method = Method::kUnset;            // GET
  std::vector<std::uint32_t> expected{200};  // statuses; sorted
  std::vector<std::uint32_t> retriable;      // the same: these are no failure at once
  std::string body;                          // of the request
  std::string answer;                        // what is in the answer; empty: anything

  bool operator==(const HttpQuestion&) const = default;
};

// by TCP, where connecting is enough without either,
struct TcpQuestion {
  std::string send;
  std::string receive;

  bool operator==(const TcpQuestion&) const = default;
};

// and by gRPC's health service.
struct GrpcQuestion {
  std::string service;    // empty: the server
  std::string authority;  // empty: the cluster's name

  bool operator==(const GrpcQuestion&) const = default;
};

// The proxy asks endpoints whether they are well.
struct HealthCheck {
  std::variant<HttpQuestion, TcpQuestion, GrpcQuestion> question;
  Duration interval{3'000};
  Duration timeout{1'000};
  std::optional<Duration> initial_jitter;
  std::uint32_t healthy_after = 1;
  std::uint32_t unhealthy_after = 3;
  std::uint16_t port = 0;   // 0: the endpoint's
  bool while_idle = false;  // at this interval, even if there have been no requests yet
  std::optional<HealthCheckLog> log;

  bool operator==(const HealthCheck&) const = default;
};

// The proxy judges endpoints by how they answer requests.
struct OutlierDetection {
  Duration interval{3'000};
  Duration ejection_time{30'000};
  std::uint32_t max_ejected_percent = 10;
  bool always_one = false;  // may be ejected, whatever the percentage says
  std::uint32_t server_errors = 5;
  std::optional<std::uint32_t> gateway_errors;
  std::uint32_t local_failures = 5;
  bool local_apart = false;  // failures to connect are no answers
  std::optional<std::uint32_t> failure_percent;

  bool operator==(const OutlierDetection&) const = default;
};

// ---- limits ----------------------------------------------------------------------------------

// Retries that may run at once: a share of the requests, of those that run or that came within the interval.
struct RetryBudget {
  double percent = 20;
  std::uint32_t min = 3;
  std::optional<Duration> interval = {};

  bool operator==(const RetryBudget&) const = default;
};

struct CircuitBreakers {
  std::optional<std::uint32_t> connections;
  std::optional<std::uint32_t> pending;
  std::optional<std::uint32_t> requests;
  std::optional<std::uint32_t> retries;
  std::optional<RetryBudget> retry_budget;  // in place of the number
  std::optional<std::uint32_t> connections_of_endpoint;

  bool operator==(const CircuitBreakers&) const = default;
};

// ---- connections -----------------------------------------------------------------------------

// Connections before there are requests for them, in percent of those that are needed.
struct Preconnect {
  std::optional<std::uint32_t> per_endpoint;
  std::optional<std::uint32_t> predictive;

  bool operator==(const Preconnect&) const = default;
};

struct TcpKeepalive {
  std::optional<std::uint32_t> probes;
  std::optional<std::uint32_t> idle_seconds;
  std::optional<std::uint32_t> interval_seconds;

  bool operator==(const TcpKeepalive&) const = default;
};

struct Http2Keepalive {
  std::optional<Duration> interval;
  std::optional<Duration> timeout;
  std::optional<std::uint32_t> jitter_percent;
  std::optional<Duration> idle_interval;

  bool operator==(const Http2Keepalive&) const = default;
};

struct Http2 {
  std::optional<std::uint32_t> stream_window;
  std::optional<std::uint32_t> connection_window;
  std::optional<std::uint32_t> max_streams;
  std::optional<bool> error_ends_stream;  // else the connection
  std::optional<Http2Keepalive> keepalive;

  bool operator==(const Http2&) const = default;
};

struct Dns {
  enum class Family : std::uint8_t { kIpv4, kIpv6, kIpv4Preferred, kIpv6Preferred, kBoth };
  std::optional<Duration> refresh;
  std::optional<bool> respect_ttl;
  std::optional<Family> family;
  // Whose settings they are, "<namespace>/<name>": a cluster of Discovery::kDynamic shares what it has
  // resolved with those of the same settings and name.
  std::string name;

  bool operator==(const Dns&) const = default;
};

// Ahead of each connection the endpoint is told the client's address.
enum class ProxyProtocol : std::uint8_t { kV1, kV2 };

// ---- all of it -------------------------------------------------------------------------------

struct ClusterSettings {
  std::optional<LoadBalancing> load_balancing;
  std::vector<HashKey> hash;  // where no route leads to the cluster
  std::optional<HealthCheck> health_check;
  std::optional<OutlierDetection> outlier_detection;
  // With fewer healthy endpoints of a hundred the others are used, too; 0: never.
  std::optional<std::uint32_t> panic_threshold;
  std::optional<CircuitBreakers> circuit_breakers;
  std::optional<std::uint32_t> max_requests_per_connection;
  std::optional<Duration> connect_timeout;
  std::optional<Duration> connection_idle_timeout;
  std::optional<Duration> max_connection_duration;
  std::optional<Duration> max_stream_duration;  // where no route leads to the cluster; 0: none
  std::optional<std::uint32_t> buffer_limit;    // bytes
  std::optional<std::uint32_t> socket_buffer;   // bytes, in the kernel
  std::optional<Preconnect> preconnect;
  std::optional<TcpKeepalive> tcp_keepalive;
  std::optional<Http2> http2;
  std::optional<Dns> dns;
  std::optional<ProxyProtocol> proxy_protocol;

  bool by_zone() const { return load_balancing && load_balancing->by_zone(); }
  // Of health checks; 0: each endpoint's own.
  std::uint16_t health_port() const { return health_check ? health_check->port : 0; }
  bool operator==(const ClusterSettings&) const = default;
};

// Which requests are sent again. A route's default is Envoy Gateway's; xds/retry.h has it.
struct RetryPolicy {
  std::uint32_t attempts = 2;             // after the first
  std::vector<std::string> on;            // failures, in Envoy's words; sorted; empty: the default
  std::vector<std::uint32_t> codes;       // sorted; empty: the default. Of routes only
  std::optional<Duration> base_interval;  // how long the first waits
  std::optional<Duration> max_interval;
  std::optional<Duration> per_try_timeout;             // of routes only
  std::optional<std::uint32_t> attempts_per_priority;  // the same

  bool operator==(const RetryPolicy&) const = default;
};

// What is about requests, not endpoints.
struct RequestSettings {
  std::vector<HashKey> hash;
  Boxed<RetryPolicy> retry;
  std::optional<Duration> timeout;              // 0: none
  std::optional<Duration> stream_idle_timeout;  // 0: none
  std::optional<Duration> max_stream_duration;  // 0: none
  bool hides_load_reports = false;              // answers go on without the headers of Utilization

  bool operator==(const RequestSettings&) const = default;
};

}  // namespace sluice::ir

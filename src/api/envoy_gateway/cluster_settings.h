// How Envoy treats backends: the settings that every place of this group has where it names some, as
// upstream's ClusterSettings. A kind that has them among its own fields has them in a member, too.
//
// Values are as they are written: what is absent and has no default is up to whoever makes a cluster of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/gateway_api/types.h"
#include "api/meta.h"
#include "tree/tree.h"

namespace sluice::api {

// A number of bytes, or one with a suffix, as in 32Ki.
using ByteSize = std::variant<std::int32_t, std::string>;
// Of a ByteSize that the schema takes; nullopt where 64 bits do not hold it.
std::optional<std::uint64_t> bytes_of(const ByteSize& size);

// ---- limits and connections -------------------------------------------------------------------------

struct EndpointLimits {
  std::int64_t max_connections = 1024;

  bool operator==(const EndpointLimits&) const = default;
};

struct RetryBudget {
  Fraction percent;
  std::optional<std::int32_t> min_retry_concurrency;

  bool operator==(const RetryBudget&) const = default;
};

struct CircuitBreaker {
  std::int64_t max_connections = 1024;
  std::int64_t max_parallel_requests = 1024;
  std::int64_t max_parallel_retries = 1024;
  std::int64_t max_pending_requests = 1024;
  std::optional<std::int64_t> max_requests_per_connection;
  std::optional<EndpointLimits> per_endpoint;
  std::optional<RetryBudget> retry_budget;

  bool operator==(const CircuitBreaker&) const = default;
};

struct Preconnect {
  std::optional<std::int32_t> per_endpoint_percent;
  std::optional<std::int32_t> predictive_percent;

  bool operator==(const Preconnect&) const = default;
};

struct BackendConnection {
  std::optional<ByteSize> buffer_limit;
  std::optional<ByteSize> socket_buffer_limit;
  std::optional<Preconnect> preconnect;

  bool operator==(const BackendConnection&) const = default;
};

enum class DNSLookupFamily : std::uint8_t { kIPv4, kIPv6, kIPv4Preferred, kIPv6Preferred, kIPv4AndIPv6 };

struct DNSSettings {
  std::optional<Duration> dns_refresh_rate;
  std::optional<DNSLookupFamily> lookup_family;
  std::optional<bool> respect_dns_ttl;

  bool operator==(const DNSSettings&) const = default;
};

struct HTTP2Keepalive {
  std::optional<Duration> idle_interval;
  std::optional<Duration> interval;
  std::optional<std::int32_t> interval_jitter;
  std::optional<Duration> timeout;

  bool operator==(const HTTP2Keepalive&) const = default;
};

struct HTTP2Settings {
  std::optional<HTTP2Keepalive> connection_keepalive;
  std::optional<ByteSize> initial_connection_window_size;
  std::optional<ByteSize> initial_stream_window_size;
  std::optional<std::int32_t> max_concurrent_streams;
  std::string on_invalid_message;  // TerminateStream | TerminateConnection | empty

  bool operator==(const HTTP2Settings&) const = default;
};

enum class ProxyProtocolVersion : std::uint8_t { kV1, kV2 };

struct ProxyProtocol {
  ProxyProtocolVersion version = ProxyProtocolVersion::kV1;

  bool operator==(const ProxyProtocol&) const = default;
};

struct TCPKeepalive {
  std::optional<Duration> idle_time;
  std::optional<Duration> interval;
  std::optional<std::int32_t> probes;

  bool operator==(const TCPKeepalive&) const = default;
};

// ---- retries and timeouts ---------------------------------------------------------------------------

struct RetryBackOff {
  std::optional<Duration> base_interval;
  std::optional<Duration> max_interval;

  bool operator==(const RetryBackOff&) const = default;
};

struct PerRetry {
  std::optional<RetryBackOff> back_off;
  std::optional<Duration> timeout;

  bool operator==(const PerRetry&) const = default;
};

struct RetryOn {
  std::vector<std::int32_t> http_status_codes;
  std::vector<std::string> triggers;  // in Envoy's words

  bool operator==(const RetryOn&) const = default;
};

struct Retry {
  std::optional<std::int32_t> num_attempts_per_priority;
  std::int32_t num_retries = 2;
  std::optional<PerRetry> per_retry;
  std::optional<RetryOn> retry_on;

  bool operator==(const Retry&) const = default;
};

struct HTTPTimeouts {
  std::optional<Duration> connection_idle_timeout;
  std::optional<Duration> max_connection_duration;
  std::optional<Duration> max_stream_duration;
  std::optional<Duration> request_timeout;
  std::optional<Duration> stream_idle_timeout;

  bool operator==(const HTTPTimeouts&) const = default;
};

struct Timeouts {
  std::optional<HTTPTimeouts> http;
  std::optional<Duration> connect_timeout;  // tcp.connectTimeout

  bool operator==(const Timeouts&) const = default;
};

// ---- health -----------------------------------------------------------------------------------------

enum class HealthCheckPayloadType : std::uint8_t { kText, kBinary };

// The one that the type names is there.
struct HealthCheckPayload {
  HealthCheckPayloadType type = HealthCheckPayloadType::kText;
  std::optional<std::string> text;
  std::optional<std::string> binary;  // decoded

  bool operator==(const HealthCheckPayload&) const = default;
};

struct HTTPHealthCheck {
  std::string path;
  std::optional<std::string> hostname;
  std::string method;  // empty: GET
  std::vector<std::int32_t> expected_statuses;
  std::vector<std::int32_t> retriable_statuses;
  std::optional<HealthCheckPayload> expected_response;
  std::optional<HealthCheckPayload> request_body;

  bool operator==(const HTTPHealthCheck&) const = default;
};

struct TCPHealthCheck {
  std::optional<HealthCheckPayload> receive;
  std::optional<HealthCheckPayload> send;

  bool operator==(const TCPHealthCheck&) const = default;
};

enum class HealthCheckEvent : std::uint8_t { kFailure, kFailureSeriesStart, kSuccess, kHealthyTransition };
enum class HealthCheckLogSinkType : std::uint8_t { kFile };

struct HealthCheckLogSink {
  HealthCheckLogSinkType type = HealthCheckLogSinkType::kFile;
  std::string path;  // file.path

  bool operator==(const HealthCheckLogSink&) const = default;
};

struct HealthCheckLog {
  std::vector<HealthCheckEvent> matches;  // empty: all
  std::vector<HealthCheckLogSink> sinks;

  bool operator==(const HealthCheckLog&) const = default;
};

enum class HealthCheckType : std::uint8_t { kHTTP, kTCP, kGRPC };

struct ActiveHealthCheck {
  HealthCheckType type = HealthCheckType::kHTTP;
  Duration interval = std::chrono::seconds(3);
  Duration timeout = std::chrono::seconds(1);
  std::optional<Duration> initial_jitter;
  std::int32_t healthy_threshold = 1;
  std::int32_t unhealthy_threshold = 3;
  std::optional<HTTPHealthCheck> http;
  std::optional<TCPHealthCheck> tcp;
  std::string grpc_service;                    // grpc.service
  std::optional<std::int32_t> overrides_port;  // overrides.port
  std::optional<HealthCheckLog> health_check_log;

  bool operator==(const ActiveHealthCheck&) const = default;
};

struct PassiveHealthCheck {
  bool always_eject_one_endpoint = false;
  Duration base_ejection_time = std::chrono::seconds(30);
  std::int32_t consecutive_5xx_errors = 5;
  std::optional<std::int32_t> consecutive_gateway_errors;
  std::int32_t consecutive_local_origin_failures = 5;
  std::optional<std::int32_t> failure_percentage_threshold;
  Duration interval = std::chrono::seconds(3);
  std::int32_t max_ejection_percent = 10;
  bool split_external_local_origin_errors = false;

  bool operator==(const PassiveHealthCheck&) const = default;
};

struct HealthCheck {
  std::optional<ActiveHealthCheck> active;
  std::optional<PassiveHealthCheck> passive;
  std::optional<std::int32_t> panic_threshold;

  bool operator==(const HealthCheck&) const = default;
};

// ---- load balancing ---------------------------------------------------------------------------------

struct OutOfBandReports {
  std::optional<std::string> authority;
  std::optional<std::int32_t> port;
  std::optional<Duration> reporting_period;

  bool operator==(const OutOfBandReports&) const = default;
};

struct BackendUtilization {
  std::optional<Duration> blackout_period;
  std::optional<std::int32_t> error_utilization_penalty_percent;
  bool keep_response_headers = false;
  std::vector<std::string> metric_names_for_computing_utilization;
  std::optional<OutOfBandReports> out_of_band;
  std::optional<Duration> weight_expiration_period;
  std::optional<Duration> weight_update_period;

  bool operator==(const BackendUtilization&) const = default;
};

enum class ConsistentHashType : std::uint8_t { kSourceIP, kHeader, kHeaders, kCookie, kQueryParams };

struct HashCookie {
  std::string name;
  std::optional<Duration> ttl;
  StringMap attributes;

  bool operator==(const HashCookie&) const = default;
};

// A header or a parameter of the query.
struct HashedName {
  std::string name;

  bool operator==(const HashedName&) const = default;
};

struct ConsistentHash {
  ConsistentHashType type = ConsistentHashType::kSourceIP;
  std::optional<HashedName> header;
  std::vector<HashedName> headers;
  std::optional<HashCookie> cookie;
  std::vector<HashedName> query_params;
  std::int64_t table_size = 65'537;

  bool operator==(const ConsistentHash&) const = default;
};

struct LoadBalancerModule {
  std::string name;  // of dynamicModules of the EnvoyProxy
  std::string lb_policy_name;
  std::optional<Tree> config;

  bool operator==(const LoadBalancerModule&) const = default;
};

struct EndpointOverrideSource {
  std::optional<std::string> header;

  bool operator==(const EndpointOverrideSource&) const = default;
};

struct LocalZoneForce {
  std::optional<std::int32_t> min_endpoints_in_zone_threshold;

  bool operator==(const LocalZoneForce&) const = default;
};

struct PreferLocalZone {
  std::optional<LocalZoneForce> force;
  std::optional<std::int64_t> min_endpoints_threshold;
  std::optional<std::int32_t> percentage_enabled;

  bool operator==(const PreferLocalZone&) const = default;
};

struct WeightedZone {
  std::string zone;
  std::int32_t weight = 0;

  bool operator==(const WeightedZone&) const = default;
};

struct ZoneAware {
  std::optional<PreferLocalZone> prefer_local;
  std::vector<WeightedZone> weighted_zones;

  bool operator==(const ZoneAware&) const = default;
};

enum class LoadBalancerType : std::uint8_t {
  kConsistentHash,
  kLeastRequest,
  kRandom,
  kRoundRobin,
  kBackendUtilization,
  kDynamicModule
};

struct LoadBalancer {
  LoadBalancerType type = LoadBalancerType::kLeastRequest;
  std::optional<BackendUtilization> backend_utilization;
  std::optional<ConsistentHash> consistent_hash;
  std::optional<LoadBalancerModule> dynamic_module;
  std::vector<EndpointOverrideSource> endpoint_override;  // endpointOverride.extractFrom
  std::optional<Duration> slow_start_window;              // slowStart.window
  std::optional<ZoneAware> zone_aware;

  bool operator==(const LoadBalancer&) const = default;
};

// ---- all of it --------------------------------------------------------------------------------------

struct ClusterSettings {
  std::optional<CircuitBreaker> circuit_breaker;
  std::optional<BackendConnection> connection;
  std::optional<DNSSettings> dns;
  std::optional<HealthCheck> health_check;
  std::optional<HTTP2Settings> http2;
  std::optional<LoadBalancer> load_balancer;
  std::optional<ProxyProtocol> proxy_protocol;
  std::optional<Retry> retry;
  std::optional<TCPKeepalive> tcp_keepalive;
  std::optional<Timeouts> timeout;

  bool operator==(const ClusterSettings&) const = default;
};

struct PolicyBackendRef {
  BackendObjectReference ref;  // its fields stand beside the others in the text
  std::int32_t weight = 1;
  bool fallback = false;

  bool operator==(const PolicyBackendRef&) const = default;
};

// What stands among the fields of whatever asks or tells backends something. Upstream's BackendCluster.
struct BackendCluster {
  std::vector<PolicyBackendRef> backend_refs;
  std::optional<ClusterSettings> backend_settings;

  bool operator==(const BackendCluster&) const = default;
};

}  // namespace sluice::api

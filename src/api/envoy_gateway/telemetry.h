// What an EnvoyProxy says about logs, metrics and traces.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/envoy_gateway/cluster_settings.h"
#include "api/gateway_api/types.h"
#include "api/meta.h"
#include "tree/tree.h"

namespace sluice::api {

// ---- logs -------------------------------------------------------------------------------------------

enum class AccessLogFormatType : std::uint8_t { kText, kJSON };

struct AccessLogFormat {
  std::optional<AccessLogFormatType> type;
  std::optional<std::string> text;
  StringMap json;

  bool operator==(const AccessLogFormat&) const = default;
};

enum class AccessLogServiceType : std::uint8_t { kHTTP, kTCP };

// Envoy's own service for access logs.
struct AccessLogService {
  BackendCluster backends;  // its fields stand beside the others in the text
  AccessLogServiceType type = AccessLogServiceType::kHTTP;
  std::string log_name;  // empty: after the EnvoyProxy
  std::vector<std::string> request_headers;
  std::vector<std::string> response_headers;
  std::vector<std::string> response_trailers;

  bool operator==(const AccessLogService&) const = default;
};

// Something that speaks OpenTelemetry's protocol, or another one of traces.
struct Collector {
  BackendCluster backends;  // its fields stand beside the others in the text
  std::string host;         // where there are no backends
  std::int32_t port = 4317;
  std::vector<HTTPHeader> headers;
  StringMap resource_attributes;

  bool operator==(const Collector&) const = default;
};

enum class AccessLogSinkType : std::uint8_t { kALS, kFile, kOpenTelemetry };

struct AccessLogFile {
  std::string path;

  bool operator==(const AccessLogFile&) const = default;
};

struct AccessLogCollector {
  Collector collector;
  StringMap resources;  // what `resource_attributes` has replaced

  bool operator==(const AccessLogCollector&) const = default;
};

// Exactly one of the three; none: the sink takes nothing.
struct AccessLogSink {
  std::optional<AccessLogService> als;
  std::optional<AccessLogFile> file;
  std::optional<AccessLogCollector> open_telemetry;

  bool operator==(const AccessLogSink&) const = default;
};

enum class AccessLogType : std::uint8_t { kListener, kRoute, kUpstream };

struct AccessLogSetting {
  std::optional<AccessLogFormat> format;
  std::vector<std::string> matches;  // CEL
  std::vector<AccessLogSink> sinks;
  std::optional<AccessLogType> type;

  bool operator==(const AccessLogSetting&) const = default;
};

struct AccessLogs {
  std::optional<bool> disable;  // false
  std::vector<AccessLogSetting> settings;

  bool operator==(const AccessLogs&) const = default;
};

// ---- metrics ----------------------------------------------------------------------------------------

struct MetricsCollector {
  Collector collector;
  bool report_counters_as_deltas = false;
  bool report_histograms_as_deltas = false;

  bool operator==(const MetricsCollector&) const = default;
};

struct MetricsSink {
  std::optional<MetricsCollector> open_telemetry;

  bool operator==(const MetricsSink&) const = default;
};

struct Metrics {
  std::string cluster_stat_name;                  // with operators; empty: clusters are called by their names
  std::optional<bool> enable_grpc_stats;          // absent: where there are GRPCRoutes
  std::optional<bool> enable_per_endpoint_stats;  // false
  std::optional<bool> enable_request_response_sizes_stats;  // false
  std::optional<bool> enable_virtual_host_stats;            // false
  std::optional<Tree> matches;
  std::optional<Tree> prometheus;
  std::vector<MetricsSink> sinks;

  bool operator==(const Metrics&) const = default;
};

// ---- traces -----------------------------------------------------------------------------------------

enum class TracingProviderType : std::uint8_t { kOpenTelemetry, kZipkin, kDatadog };

enum class TracingSamplerType : std::uint8_t {
  kAlwaysOn,
  kAlwaysOff,
  kTraceIdRatio,
  kParentBasedAlwaysOn,
  kParentBasedAlwaysOff,
  kParentBasedTraceIdRatio
};

struct TracingSampler {
  TracingSamplerType type = TracingSamplerType::kAlwaysOn;
  std::optional<Fraction> sampling_percentage;

  bool operator==(const TracingSampler&) const = default;
};

struct TracingProvider {
  Collector collector;  // what is particular to OpenTelemetry is in `openTelemetry`
  TracingProviderType type = TracingProviderType::kOpenTelemetry;
  std::string service_name;  // empty: after the Gateway, or the class
  std::optional<TracingSampler> sampler;
  bool disable_shared_span_context = false;
  bool enable_128_bit_trace_id = false;

  bool operator==(const TracingProvider&) const = default;
};

enum class TracingTagType : std::uint8_t { kLiteral, kEnvironment, kRequestHeader };

struct TracingNamedValue {
  std::string name;
  std::string default_value;

  bool operator==(const TracingNamedValue&) const = default;
};

struct TracingTag {
  TracingTagType type = TracingTagType::kLiteral;
  std::string literal;
  TracingNamedValue environment;
  TracingNamedValue request_header;

  bool operator==(const TracingTag&) const = default;
};

struct TracingSpanName {
  std::string client;
  std::string server;

  bool operator==(const TracingSpanName&) const = default;
};

struct Tracing {
  TracingProvider provider;
  std::optional<std::int32_t> sampling_rate;  // percent
  std::optional<Fraction> sampling_fraction;
  std::optional<Fraction> client_sampling_fraction;
  std::optional<Fraction> overall_sampling_fraction;
  std::map<std::string, TracingTag, std::less<>> custom_tags;
  StringMap tags;
  std::optional<TracingSpanName> span_name;

  bool operator==(const Tracing&) const = default;
};

// Whether the id of a request says that it is traced, and whether that is heeded.
enum class RequestIDTracing : std::uint8_t { kPackAndSample, kSample, kPack, kDisable };

// ---- all of it --------------------------------------------------------------------------------------

struct Telemetry {
  std::optional<AccessLogs> access_log;
  std::optional<HealthCheckLog> health_check_log;
  Metrics metrics;
  std::optional<RequestIDTracing> request_id;
  std::optional<Tracing> tracing;

  bool operator==(const Telemetry&) const = default;
};

}  // namespace sluice::api

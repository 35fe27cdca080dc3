// What a proxy tells of the requests that it serves: logs, traces and metrics, and whom.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ir/cluster_settings.h"

namespace sluice::ir {

using TextMap = std::map<std::string, std::string, std::less<>>;

// Somebody whom the proxy calls by gRPC.
struct GrpcCall {
  std::string cluster;
  std::string authority;                                      // empty: the cluster's name
  std::vector<std::pair<std::string, std::string>> metadata;  // headers of the call, in the user's order
  Boxed<RetryPolicy> retry;

  bool operator==(const GrpcCall&) const = default;
};

// ---- logs ------------------------------------------------------------------------------------

// What is logged where users do not say it: by name, a text with commands. Envoy Gateway's; sorted.
inline constexpr std::pair<const char*, const char*> kLogFields[] = {
    {":authority", "%REQ(:AUTHORITY)%"},
    {"bytes_received", "%BYTES_RECEIVED%"},
    {"bytes_sent", "%BYTES_SENT%"},
    {"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"},
    {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
    {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
    {"duration", "%DURATION%"},
    {"method", "%REQ(:METHOD)%"},
    {"protocol", "%PROTOCOL%"},
    {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
    {"response_code", "%RESPONSE_CODE%"},
    {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
    {"response_flags", "%RESPONSE_FLAGS%"},
    {"route_name", "%ROUTE_NAME%"},
    {"start_time", "%START_TIME%"},
    {"upstream_cluster", "%UPSTREAM_CLUSTER%"},
    {"upstream_host", "%UPSTREAM_HOST%"},
    {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
    {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
    {"user-agent", "%REQ(USER-AGENT)%"},
    {"x-envoy-origin-path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
    {"x-envoy-upstream-service-time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
    {"x-forwarded-for", "%REQ(X-FORWARDED-FOR)%"},
    {"x-request-id", "%REQ(X-REQUEST-ID)%"},
};

// Lines that are appended to a file.
struct LogFile {
  std::string path = "/dev/stdout";
  std::optional<std::string> text;  // the line with commands, and its end
  TextMap json;                     // else the members of an object; none: kLogFields

  bool operator==(const LogFile&) const = default;
};

// Envoy's access log service.
struct LogService {
  GrpcCall call;
  std::string name;
  bool of_connections = false;  // and not of requests
  std::vector<std::string> request_headers;
  std::vector<std::string> response_headers;
  std::vector<std::string> response_trailers;

  bool operator==(const LogService&) const = default;
};

// OpenTelemetry's log service.
struct LogCollector {
  GrpcCall call;
  TextMap resource;                 // about the proxy
  std::optional<std::string> body;  // with commands
  // With commands: in this order, for names may come twice.
  std::vector<std::pair<std::string, std::string>> attributes;

  bool operator==(const LogCollector&) const = default;
};

struct AccessLog {
  // kServed: requests and connections, by whoever serves them; and what nobody serves, by the listener.
  // kListener: connections, by the listener. kRoute: by whoever serves them alone. kUpstream: attempts, by
  // the router.
  enum class Where : std::uint8_t { kServed, kListener, kRoute, kUpstream };
  std::variant<LogFile, LogService, LogCollector> sink;
  std::vector<std::string> matches;  // CEL: only that for which all are true
  Where where = Where::kServed;

  bool operator==(const AccessLog&) const = default;
};

using AccessLogs = std::vector<AccessLog>;

// ---- traces ----------------------------------------------------------------------------------

// Of a hundred.
struct Percentage {
  double value = 100;

  bool operator==(const Percentage&) const = default;
};

struct Sampler {
  bool parent_based = false;        // what begins a trace elsewhere decides
  std::optional<Percentage> ratio;  // none: all

  bool operator==(const Sampler&) const = default;
};

struct TraceCollector {  // OpenTelemetry's
  GrpcCall call;
  TextMap resource;
  std::optional<Sampler> sampler;

  bool operator==(const TraceCollector&) const = default;
};

struct Zipkin {
  std::string cluster;
  std::string host;  // of its requests; empty: the cluster's name
  bool long_ids = false;
  bool shared_spans = true;

  bool operator==(const Zipkin&) const = default;
};

struct Datadog {
  std::string cluster;

  bool operator==(const Datadog&) const = default;
};

struct TraceTag {
  enum class Kind : std::uint8_t { kLiteral, kEnvironment, kRequestHeader, kFormat };
  Kind kind = Kind::kLiteral;
  std::string name;
  std::string value;  // the text; the name of a variable or header
  std::string default_value;

  bool operator==(const TraceTag&) const = default;
};

struct Tracing {
  std::variant<TraceCollector, Zipkin, Datadog> provider;
  std::string service_name;
  Percentage random;           // of requests that nobody decided about
  Percentage client{0};        // of those whose clients ask for a trace
  Percentage overall;          // of those that would be traced
  std::vector<TraceTag> tags;  // sorted by name
  std::string operation;       // names of spans; empty: the provider's
  std::string upstream_operation;

  bool operator==(const Tracing&) const = default;
};

// What the id of a request says about tracing.
struct RequestId {
  bool packs_decision = true;  // it says whether the request is traced
  bool samples = true;         // and decides it

  bool operator==(const RequestId&) const = default;
};

// ---- metrics ---------------------------------------------------------------------------------

// Counts of endpoints and sizes, which clusters have where they are asked for; and the log of their health
// checks.
struct ClusterReport {
  bool per_endpoint = false;
  bool sizes = false;
  std::optional<HealthCheckLog> health_check_log;  // of checks that have none of their own

  bool operator==(const ClusterReport&) const = default;
};

}  // namespace sluice::ir

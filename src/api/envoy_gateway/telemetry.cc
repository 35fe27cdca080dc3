#include "api/envoy_gateway/telemetry.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "api/envoy_gateway/cluster_settings_fields.h"
#include "api/envoy_gateway/envoy_proxy.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/route.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// ---- where it goes ---------------------------------------------------------------------------------

// What is much to build, and the same wherever there are backends.
struct Backends {
  Type refs = policy_backend_refs();
  Type settings = backend_settings();
};

// A type with backends among its fields, bound to the BackendCluster that the member pointers lead to.
template <auto... kCluster>
Type with_backends(std::vector<Field> fields, const Backends& backends) {
  std::vector<Field> more = backend_fields(
      field<kCluster..., &BackendCluster::backend_refs>("backendRefs", backends.refs),
      field<kCluster..., &BackendCluster::backend_settings>("backendSettings", backends.settings));
  std::ranges::move(more, std::back_inserter(fields));
  return object(std::move(fields)).with(backend_rules());
}

constexpr int kOpenTelemetryPort = 4317;

// A collector, which has a host and port where it has no backends; bound to the Collector that the member
// pointers lead to.
template <auto... kCollector>
Type collector(std::vector<Field> fields, Type port, const Backends& backends) {
  fields.push_back(field<kCollector..., &Collector::host>("host", string())
                       .doc("The host of the collector. `backendRefs` replaces it."));
  fields.push_back(field<kCollector..., &Collector::port>("port", std::move(port))
                       .defaults_to(kOpenTelemetryPort)
                       .doc("The port of the collector. `backendRefs` replaces it."));
  return with_backends<kCollector..., &Collector::backends>(std::move(fields), backends)
      .with({.name = "backends",
             .cel = "has(self.host) || self.backendRefs.size() > 0",
             .message = "a collector needs `backendRefs`, or a `host`"});
}

template <auto... kCollector>
Field collector_headers() {
  const Type header = object({
      field<&HTTPHeader::name>("name", header_name()).required().doc("The name of the header."),
      field<&HTTPHeader::value>("value", string().length(1, 4096)).required().doc("Its value."),
  });
  return field<kCollector..., &Collector::headers>("headers", list(header).items(1, 32))
      .doc("Headers of the requests to the collector.");
}

template <auto... kCollector>
Field resource_attributes() {
  return field<kCollector..., &Collector::resource_attributes>("resourceAttributes", map(string()))
      .doc("What is said about this Envoy.");
}

// ---- logs ------------------------------------------------------------------------------------------

Type access_log_format() {
  return object({
                    field<&AccessLogFormat::json>("json", map(string()))
                        .doc("Members of the JSON object of each line."),
                    field<&AccessLogFormat::text>("text", string())
                        .doc("The line, with operators such as `%RESPONSE_CODE%`."),
                    field<&AccessLogFormat::type>("type", enumeration({"Text", "JSON"}))
                        .doc("Whether lines are text or JSON."),
                })
      .with({
          {.name = "access-log-format",
           .cel = "has(self.type) && self.type == 'Text' ? has(self.text) : true",
           .message = "a format of type `Text` needs the field `text`",
           .suggestion = "add `text`",
           .blame = "type"},
          {.name = "access-log-format",
           .cel = "has(self.type) && self.type == 'Text' ? !has(self.json) : true",
           .message = "`json` is set, and the type of the format is `Text`",
           .suggestion = "remove `json`",
           .blame = "json"},
          {.name = "access-log-format",
           .cel = "has(self.type) && self.type == 'JSON' ? has(self.json) : true",
           .message = "a format of type `JSON` needs the field `json`",
           .suggestion = "add `json`",
           .blame = "type"},
          {.name = "access-log-format",
           .cel = "has(self.type) && self.type == 'JSON' ? !has(self.text) : true",
           .message = "`text` is set, and the type of the format is `JSON`",
           .suggestion = "remove `text`",
           .blame = "text"},
          {.name = "access-log-format",
           .cel = "!has(self.type) ? (has(self.text) || has(self.json)) : true",
           .message = "a format without a type needs `text` or `json`"},
      });
}

// Envoy's own service for access logs.
Type access_log_service(const Backends& backends) {
  const Type http = object({
      field<&AccessLogService::request_headers>("requestHeaders", list(string()))
          .doc("Headers of requests to log."),
      field<&AccessLogService::response_headers>("responseHeaders", list(string()))
          .doc("Headers of responses to log."),
      field<&AccessLogService::response_trailers>("responseTrailers", list(string()))
          .doc("Trailers of responses to log."),
  });
  return with_backends<&AccessLogService::backends>(
             {
                 flattened("http", http).doc("What of HTTP is logged besides."),
                 field<&AccessLogService::log_name>("logName", string().min_length(1))
                     .doc("The name by which the service knows the log."),
                 field<&AccessLogService::type>("type", enumeration({"HTTP", "TCP"}))
                     .required()
                     .doc("What the log is about."),
             },
             backends)
      .with({
          {.name = "access-log-sink",
           .cel = "self.type == 'HTTP' || !has(self.http)",
           .message = "`http` goes with the type `HTTP` only",
           .blame = "http"},
          {.name = "backends",
           .cel = "has(self.backendRefs) && self.backendRefs.size() > 0",
           .message = "a service needs `backendRefs`"},
      });
}

Type access_log_collector(const Backends& backends) {
  constexpr auto kCollector = &AccessLogCollector::collector;
  return collector<kCollector>({collector_headers<kCollector>(), resource_attributes<kCollector>(),
                                field<&AccessLogCollector::resources>("resources", map(string()))
                                    .doc("The same; `resourceAttributes` replaces it.")},
                               int32().at_least(0), backends)
      .with({.name = "access-log-sink",
             .cel = "!has(self.resources) || !has(self.resourceAttributes)",
             .message = "`resources` and `resourceAttributes` are both set",
             .suggestion = "keep `resourceAttributes`, which replaces `resources`",
             .blame = "resources"});
}

Type access_log(const Backends& backends) {
  const Type sink =
      object({
                 field<&AccessLogSink::als>("als", access_log_service(backends))
                     .doc("A gRPC service that takes the log."),
                 field<&AccessLogSink::file>(
                     "file", object({field<&AccessLogFile::path>("path", string().min_length(1))
                                         .doc("The path of the file, such as `/dev/stdout`.")}))
                     .doc("A file that takes the log."),
                 field<&AccessLogSink::open_telemetry>("openTelemetry", access_log_collector(backends))
                     .doc("A collector that takes the log."),
                 field("type", enumeration({"ALS", "File", "OpenTelemetry"}))
                     .passive()
                     .doc("Where the log goes."),
             })
          .with({
              goes_with_type("access-log-sink", "ALS", "als"),
              goes_with_type("access-log-sink", "File", "file"),
              goes_with_type("access-log-sink", "OpenTelemetry", "openTelemetry"),
          });
  const Type setting = object({
      field<&AccessLogSetting::format>("format", access_log_format()).doc("What a line is."),
      field<&AccessLogSetting::matches>("matches", list(string()).max_items(10))
          .doc("CEL expressions over requests: only those for which all are true are logged."),
      field<&AccessLogSetting::sinks>("sinks", list(sink).items(1, 50)).required().doc("Where the log goes."),
      field<&AccessLogSetting::type>("type", enumeration({"Listener", "Route", "Upstream"}))
          .doc("Whether it is for listeners, routes or upstreams. By default for the first two."),
  });
  return object({
      field<&AccessLogs::disable>("disable", boolean()).doc("Whether nothing is logged."),
      field<&AccessLogs::settings>("settings", list(setting).items(1, 50))
          .doc("Logs. Without any, there is one of text on standard output."),
  });
}

// ---- metrics ---------------------------------------------------------------------------------------

Type metrics(const Backends& backends) {
  const Type match = object({
      field("type", enumeration({"Exact", "Prefix", "Suffix", "RegularExpression"}))
          .defaults_to("Exact")
          .doc("How names are compared."),
      field("value", string().length(1, 1024)).required().doc("What they are compared with."),
  });
  const Type compression = object({
      field("brotli", object({})).doc("Settings of Brotli, of which there are none."),
      field("gzip", object({})).doc("Settings of gzip, of which there are none."),
      field("minContentLength", byte_size()).doc("From which size on bodies are compressed."),
      field("type", enumeration({"Gzip", "Brotli", "Zstd"})).required().doc("The form of compression."),
      field("zstd", object({})).doc("Settings of Zstandard, of which there are none."),
  });
  const Type prometheus = object({
      field("compression", compression).doc("How the answers are compressed."),
      field("disable", boolean()).doc("Whether there is no endpoint for Prometheus."),
  });
  constexpr auto kCollector = &MetricsCollector::collector;
  const Type open_telemetry = collector<kCollector>(
      {
          collector_headers<kCollector>(),
          field<&MetricsCollector::report_counters_as_deltas>("reportCountersAsDeltas", boolean())
              .doc("Whether counters are sent as what was added."),
          field<&MetricsCollector::report_histograms_as_deltas>("reportHistogramsAsDeltas", boolean())
              .doc("Whether histograms are sent as what was added."),
          resource_attributes<kCollector>(),
      },
      int32().range(0, 65535), backends);
  const Type sink = object({
                               field<&MetricsSink::open_telemetry>("openTelemetry", open_telemetry)
                                   .doc("A collector that takes the metrics."),
                               field("type", enumeration({"OpenTelemetry"}))
                                   .passive()
                                   .required()
                                   .defaults_to("OpenTelemetry")
                                   .doc("Where metrics go."),
                           })
                        .with(goes_with_type("metrics-sink", "OpenTelemetry", "openTelemetry"));
  return object({
      field<&Metrics::cluster_stat_name>("clusterStatName", string())
          .doc("What clusters are called in metrics: a text with operators."),
      field<&Metrics::enable_grpc_stats>("enableGRPCStats", boolean())
          .doc("Whether gRPC is counted by service and method."),
      field<&Metrics::enable_per_endpoint_stats>("enablePerEndpointStats", boolean())
          .doc("Whether there are metrics for each endpoint."),
      field<&Metrics::enable_request_response_sizes_stats>("enableRequestResponseSizesStats", boolean())
          .doc("Whether sizes of headers and bodies are counted."),
      field<&Metrics::enable_virtual_host_stats>("enableVirtualHostStats", boolean())
          .doc("Whether there are metrics for each virtual host."),
      field<&Metrics::matches>("matches", list(match))
          .doc("The metrics that there are, by name, of Envoys in a cluster. By default all."),
      field<&Metrics::prometheus>("prometheus", prometheus)
          .doc("The endpoint for Prometheus, of Envoys in a cluster."),
      field<&Metrics::sinks>("sinks", list(sink).max_items(16)).doc("Where metrics are sent."),
  });
}

// ---- traces ----------------------------------------------------------------------------------------

Type trace_provider(const Backends& backends) {
  const Type sampler =
      object({
                 field<&TracingSampler::sampling_percentage>("samplingPercentage", fraction())
                     .doc("Which share of traces is kept."),
                 field<&TracingSampler::type>(
                     "type", enumeration({"AlwaysOn", "AlwaysOff", "TraceIdRatio", "ParentBasedAlwaysOn",
                                          "ParentBasedAlwaysOff", "ParentBasedTraceIdRatio"}))
                     .required()
                     .defaults_to("AlwaysOn")
                     .doc("How it is decided."),
             })
          .with({.name = "tracing",
                 .cel = "has(self.samplingPercentage) ? (self.type == 'TraceIdRatio' || self.type == "
                        "'ParentBasedTraceIdRatio') : true",
                 .message = "`samplingPercentage` needs the type `TraceIdRatio` or `ParentBasedTraceIdRatio`",
                 .blame = "samplingPercentage"});
  constexpr auto kCollector = &TracingProvider::collector;
  const Type open_telemetry = object({
      collector_headers<kCollector>(),
      resource_attributes<kCollector>(),
      field<&TracingProvider::sampler>("sampler", sampler).doc("Which traces are kept."),
  });
  const Type zipkin = object({
      field<&TracingProvider::disable_shared_span_context>("disableSharedSpanContext", boolean())
          .doc("Whether client and server have spans of their own."),
      field<&TracingProvider::enable_128_bit_trace_id>("enable128BitTraceId", boolean())
          .doc("Whether ids of traces have 128 bits."),
  });
  const Type service_name = string().with(
      {.name = "tracing", .cel = R"(self != "")", .message = "`serviceName` is set, and empty"});
  return collector<kCollector>(
             {
                 flattened("openTelemetry", open_telemetry).doc("What is particular to OpenTelemetry."),
                 field<&TracingProvider::service_name>("serviceName", service_name)
                     .doc("The name of this service in traces."),
                 field<&TracingProvider::type>("type", enumeration({"OpenTelemetry", "Zipkin", "Datadog"}))
                     .required()
                     .defaults_to("OpenTelemetry")
                     .doc("What the collector speaks."),
                 flattened("zipkin", zipkin).doc("What is particular to Zipkin."),
             },
             int32().at_least(0), backends)
      .with({.name = "tracing",
             .cel = "has(self.openTelemetry) ? self.type == 'OpenTelemetry' : true",
             .message = "`openTelemetry` goes with the type `OpenTelemetry` only",
             .blame = "openTelemetry"});
}

Type tracing(const Backends& backends) {
  const Type named = object({
      field<&TracingNamedValue::default_value>("defaultValue", string())
          .doc("The value where there is none."),
      field<&TracingNamedValue::name>("name", string()).required().doc("The name of the variable or header."),
  });
  const Type tag = object({
      field<&TracingTag::environment>("environment", named).doc("A variable of Envoy's environment."),
      flattened("literal",
                object({field<&TracingTag::literal>("value", string()).required().doc("The value.")}))
          .doc("A fixed value."),
      field<&TracingTag::request_header>("requestHeader", named).doc("A header of the request."),
      field<&TracingTag::type>("type", enumeration({"Literal", "Environment", "RequestHeader"}))
          .required()
          .defaults_to("Literal")
          .doc("Where the value comes from."),
  });
  const Type span_name = object({
      field<&TracingSpanName::client>("client", string())
          .required()
          .doc("The name of spans of requests from clients."),
      field<&TracingSpanName::server>("server", string())
          .required()
          .doc("The name of spans of requests to backends."),
  });
  return object(
             {
                 field<&Tracing::client_sampling_fraction>("clientSamplingFraction", fraction())
                     .doc("Which share of the traces that clients ask for is kept."),
                 field<&Tracing::custom_tags>("customTags", map(tag)).doc("More tags. `tags` replaces it."),
                 field<&Tracing::overall_sampling_fraction>("overallSamplingFraction", fraction())
                     .doc("Which share is kept of what the others would keep."),
                 field<&Tracing::provider>("provider", trace_provider(backends))
                     .required()
                     .doc("Where traces go."),
                 field<&Tracing::sampling_fraction>("samplingFraction", fraction())
                     .doc("Which share of requests is traced."),
                 field<&Tracing::sampling_rate>("samplingRate", int32().range(0, 100))
                     .doc("How many requests of a hundred are traced."),
                 field<&Tracing::span_name>("spanName", span_name).doc("The names of spans, with operators."),
                 field<&Tracing::tags>("tags", map(string())).doc("More tags: texts with operators."),
             })
      .with({.name = "tracing",
             .cel = "!(has(self.samplingRate) && has(self.samplingFraction))",
             .message = "`samplingRate` and `samplingFraction` are both set",
             .suggestion = "keep one of the two",
             .blame = "samplingRate"});
}

}  // namespace

Type telemetry() {
  const Backends backends;
  return object({
      field<&Telemetry::access_log>("accessLog", access_log(backends)).doc("The log of requests."),
      field<&Telemetry::health_check_log>("healthCheckLog", health_check_log())
          .doc("The log of health checks."),
      field<&Telemetry::metrics>("metrics", metrics(backends)).doc("Metrics, and where they go."),
      flattened("requestID",
                object({field<&Telemetry::request_id>(
                            "tracing", enumeration({"PackAndSample", "Sample", "Pack", "Disable"}))
                            .doc("What the id says about tracing.")}))
          .doc("How requests get an id."),
      field<&Telemetry::tracing>("tracing", tracing(backends)).doc("Traces, and where they go."),
  });
}

}  // namespace sluice::api

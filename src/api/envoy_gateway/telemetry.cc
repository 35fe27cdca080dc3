// What an EnvoyProxy says about logs, metrics and traces.

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

// A type with backends among its fields. `backends` is backend_fields(), which is much to build for each.
Type with_backends(std::vector<Field> fields, const std::vector<Field>& backends) {
  fields.insert(fields.end(), backends.begin(), backends.end());
  return object(std::move(fields)).with(backend_rules());
}

constexpr int kOpenTelemetryPort = 4317;

// A collector, which has a host and port where it has no backends.
Type collector(std::vector<Field> fields, Type port, const std::vector<Field>& backends) {
  fields.push_back(field("host", string()).doc("The host of the collector. `backendRefs` replaces it."));
  fields.push_back(field("port", std::move(port))
                       .defaults_to(kOpenTelemetryPort)
                       .doc("The port of the collector. `backendRefs` replaces it."));
  return with_backends(std::move(fields), backends)
      .with({.name = "backends",
             .cel = "has(self.host) || self.backendRefs.size() > 0",
             .message = "a collector needs `backendRefs`, or a `host`"});
}

Field collector_headers() {
  const Type header = object({
      field("name", header_name()).required().doc("The name of the header."),
      field("value", string().length(1, 4096)).required().doc("Its value."),
  });
  return field("headers", list(header).items(1, 32)).doc("Headers of the requests to the collector.");
}

Field resource_attributes() {
  return field("resourceAttributes", map(string())).doc("What is said about this Envoy.");
}

// ---- logs ------------------------------------------------------------------------------------------

Type access_log_format() {
  return object({
                    field("json", map(string())).doc("Members of the JSON object of each line."),
                    field("text", string()).doc("The line, with operators such as `%RESPONSE_CODE%`."),
                    field("type", enumeration({"Text", "JSON"})).doc("Whether lines are text or JSON."),
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
Type access_log_service(const std::vector<Field>& backends) {
  const Type http = object({
      field("requestHeaders", list(string())).doc("Headers of requests to log."),
      field("responseHeaders", list(string())).doc("Headers of responses to log."),
      field("responseTrailers", list(string())).doc("Trailers of responses to log."),
  });
  return with_backends(
             {
                 field("http", http).doc("What of HTTP is logged besides."),
                 field("logName", string().min_length(1)).doc("The name by which the service knows the log."),
                 field("type", enumeration({"HTTP", "TCP"})).required().doc("What the log is about."),
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

Type access_log_collector(const std::vector<Field>& backends) {
  return collector({collector_headers(), resource_attributes(),
                    field("resources", map(string())).doc("The same; `resourceAttributes` replaces it.")},
                   int32().at_least(0), backends)
      .with({.name = "access-log-sink",
             .cel = "!has(self.resources) || !has(self.resourceAttributes)",
             .message = "`resources` and `resourceAttributes` are both set",
             .suggestion = "keep `resourceAttributes`, which replaces `resources`",
             .blame = "resources"});
}

Type access_log(const std::vector<Field>& backends) {
  const Type sink =
      object(
          {
              field("als", access_log_service(backends)).doc("A gRPC service that takes the log."),
              field("file", object({field("path", string().min_length(1))
                                        .doc("The path of the file, such as `/dev/stdout`.")}))
                  .doc("A file that takes the log."),
              field("openTelemetry", access_log_collector(backends)).doc("A collector that takes the log."),
              field("type", enumeration({"ALS", "File", "OpenTelemetry"})).doc("Where the log goes."),
          })
          .with({
              goes_with_type("access-log-sink", "ALS", "als"),
              goes_with_type("access-log-sink", "File", "file"),
              goes_with_type("access-log-sink", "OpenTelemetry", "openTelemetry"),
          });
  const Type setting = object({
      field("format", access_log_format()).doc("What a line is."),
      field("matches", list(string()).max_items(10))
          .doc("CEL expressions over requests: only those for which all are true are logged."),
      field("sinks", list(sink).items(1, 50)).required().doc("Where the log goes."),
      field("type", enumeration({"Listener", "Route", "Upstream"}))
          .doc("Whether it is for listeners, routes or upstreams. By default for the first two."),
  });
  return object({
      field("disable", boolean()).doc("Whether nothing is logged."),
      field("settings", list(setting).items(1, 50))
          .doc("Logs. Without any, there is one of text on standard output."),
  });
}

// ---- metrics ---------------------------------------------------------------------------------------

Type metrics(const std::vector<Field>& backends) {
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
  const Type open_telemetry = collector(
      {
          collector_headers(),
          field("reportCountersAsDeltas", boolean()).doc("Whether counters are sent as what was added."),
          field("reportHistogramsAsDeltas", boolean()).doc("Whether histograms are sent as what was added."),
          resource_attributes(),
      },
      int32().range(0, 65535), backends);
  const Type sink =
      object({
                 field("openTelemetry", open_telemetry).doc("A collector that takes the metrics."),
                 field("type", enumeration({"OpenTelemetry"}))
                     .required()
                     .defaults_to("OpenTelemetry")
                     .doc("Where metrics go."),
             })
          .with(goes_with_type("metrics-sink", "OpenTelemetry", "openTelemetry"));
  return object({
      field("clusterStatName", string()).doc("What clusters are called in metrics: a text with operators."),
      field("enableGRPCStats", boolean()).doc("Whether gRPC is counted by service and method."),
      field("enablePerEndpointStats", boolean()).doc("Whether there are metrics for each endpoint."),
      field("enableRequestResponseSizesStats", boolean())
          .doc("Whether sizes of headers and bodies are counted."),
      field("enableVirtualHostStats", boolean()).doc("Whether there are metrics for each virtual host."),
      field<&EnvoyProxySpec::metric_matches>("matches", list(match))
          .doc("The metrics that there are, by name, of Envoys in a cluster. By default all."),
      field<&EnvoyProxySpec::prometheus>("prometheus", prometheus)
          .doc("The endpoint for Prometheus, of Envoys in a cluster."),
      field("sinks", list(sink).max_items(16)).doc("Where metrics are sent."),
  });
}

// ---- traces ----------------------------------------------------------------------------------------

Type trace_provider(const std::vector<Field>& backends) {
  const Type sampler =
      object({
                 field("samplingPercentage", fraction()).doc("Which share of traces is kept."),
                 field("type", enumeration({"AlwaysOn", "AlwaysOff", "TraceIdRatio", "ParentBasedAlwaysOn",
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
  const Type open_telemetry = object({
      collector_headers(),
      resource_attributes(),
      field("sampler", sampler).doc("Which traces are kept."),
  });
  const Type zipkin = object({
      field("disableSharedSpanContext", boolean()).doc("Whether client and server have spans of their own."),
      field("enable128BitTraceId", boolean()).doc("Whether ids of traces have 128 bits."),
  });
  const Type service_name = string().with(
      {.name = "tracing", .cel = R"(self != "")", .message = "`serviceName` is set, and empty"});
  return collector(
             {
                 field("openTelemetry", open_telemetry).doc("What is particular to OpenTelemetry."),
                 field("serviceName", service_name).doc("The name of this service in traces."),
                 field("type", enumeration({"OpenTelemetry", "Zipkin", "Datadog"}))
                     .required()
                     .defaults_to("OpenTelemetry")
                     .doc("What the collector speaks."),
                 field("zipkin", zipkin).doc("What is particular to Zipkin."),
             },
             int32().at_least(0), backends)
      .with({.name = "tracing",
             .cel = "has(self.openTelemetry) ? self.type == 'OpenTelemetry' : true",
             .message = "`openTelemetry` goes with the type `OpenTelemetry` only",
             .blame = "openTelemetry"});
}

Type tracing(const std::vector<Field>& backends) {
  const Type named = object({
      field("defaultValue", string()).doc("The value where there is none."),
      field("name", string()).required().doc("The name of the variable or header."),
  });
  const Type tag = object({
      field("environment", named).doc("A variable of Envoy's environment."),
      field("literal", object({field("value", string()).required().doc("The value.")})).doc("A fixed value."),
      field("requestHeader", named).doc("A header of the request."),
      field("type", enumeration({"Literal", "Environment", "RequestHeader"}))
          .required()
          .defaults_to("Literal")
          .doc("Where the value comes from."),
  });
  const Type span_name = object({
      field("client", string()).required().doc("The name of spans of requests to backends."),
      field("server", string()).required().doc("The name of spans of requests from clients."),
  });
  return object({
                    field("clientSamplingFraction", fraction())
                        .doc("Which share of the traces that clients ask for is kept."),
                    field("customTags", map(tag)).doc("More tags. `tags` replaces it."),
                    field("overallSamplingFraction", fraction())
                        .doc("Which share is kept of what the others would keep."),
                    field("provider", trace_provider(backends)).required().doc("Where traces go."),
                    field("samplingFraction", fraction()).doc("Which share of requests is traced."),
                    field("samplingRate", int32().range(0, 100))
                        .doc("How many requests of a hundred are traced."),
                    field("spanName", span_name).doc("The names of spans, with operators."),
                    field("tags", map(string())).doc("More tags: texts with operators."),
                })
      .with({.name = "tracing",
             .cel = "!(has(self.samplingRate) && has(self.samplingFraction))",
             .message = "`samplingRate` and `samplingFraction` are both set",
             .suggestion = "keep one of the two",
             .blame = "samplingRate"});
}

}  // namespace

Type telemetry() {
  const std::vector<Field> backends = backend_fields<>();
  return object({
      field("accessLog", access_log(backends)).doc("The log of requests."),
      field("healthCheckLog", health_check_log()).doc("The log of health checks."),
      flattened("metrics", metrics(backends)).doc("Metrics, and where they go."),
      field("requestID", object({field("tracing", enumeration({"PackAndSample", "Sample", "Pack", "Disable"}))
                                     .doc("What the id says about tracing.")}))
          .doc("How requests get an id."),
      field("tracing", tracing(backends)).doc("Traces, and where they go."),
  });
}

}  // namespace sluice::api

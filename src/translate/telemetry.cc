#include "translate/telemetry.h"

#include <algorithm>
#include <expected>
#include <iterator>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schema/cel/syntax.h"
#include "translate/backend.h"
#include "translate/cluster_settings.h"
#include "translate/gateway.h"
#include "translate/header_value.h"
#include "translate/joined_backend.h"
#include "translate/localities.h"
#include "translate/setting_reader.h"

namespace sluice::translate {
namespace {

// Of Envoys in a cluster, whose pods have these variables. Envoy Gateway's.
constexpr std::pair<const char*, const char*> kOfPod[] = {
    {"k8s.namespace.name", "%ENVIRONMENT(ENVOY_POD_NAMESPACE)%"},
    {"k8s.pod.name", "%ENVIRONMENT(ENVOY_POD_NAME)%"}};

struct Failure {
  std::string path;  // below spec.telemetry
  std::string code;
  std::string message;
  std::string suggestion;
};

template <typename T>
using Result = std::expected<T, Failure>;

// Somebody who is told something.
struct Receiver {
  std::string cluster;
  std::string authority;
  Boxed<ir::RetryPolicy> retry;
};

bool is_ip_address(const std::string& text) {
  in6_addr to{};
  return inet_pton(AF_INET, text.c_str(), &to) == 1 || inet_pton(AF_INET6, text.c_str(), &to) == 1;
}

// By which name a backend is asked, as Envoy Gateway has it: that of its certificate, the one that leads to
// it, or the object's. Empty where nothing is known but a socket.
std::string authority_of_backend(const ResolvedBackend& backend) {
  const ir::Cluster& cluster = backend.row.cluster;
  if (cluster.tls && !cluster.tls->sni.empty()) return cluster.tls->sni;
  const auto& places = cluster.discovery == ir::Discovery::kDns ? cluster.dns_localities : backend.row.fixed;
  if (!places.empty() && !places.front().endpoints.empty()) {
    const ir::Endpoint& first = places.front().endpoints.front();
    if (!is_ip_address(first.address)) return first.address;
  }
  const bool is_service = cluster.owner.kind == api::kind_of<api::Service>();
  return fmt::format("{}.{}{}", cluster.owner.name.name, cluster.owner.name.namespace_,
                     is_service ? ".svc" : "");
}

double percent(const api::Fraction& fraction) {
  if (fraction.denominator <= 0) return 0;
  return std::clamp(100.0 * fraction.numerator / fraction.denominator, 0.0, 100.0);
}

class Reader {
 public:
  Reader(const ir::ProxyKey& proxy, const GatewayPlan& oldest, const Settings& settings, const Inputs& inputs,
         const Projections& tables, flow::Reads& reads, TelemetryRow& row)
      : proxy_(proxy),
        gateway_(oldest.gateway),
        spec_(oldest.envoy_proxy->spec.telemetry),
        name_{oldest.envoy_proxy->metadata.namespace_, oldest.envoy_proxy->metadata.name},
        self_{.kind = api::kind_of<api::EnvoyProxy>(), .name = name_},
        access_(extension_terms(oldest, settings).access),
        settings_(settings),
        inputs_(inputs),
        tables_(tables),
        reads_(reads),
        row_(row) {}

  void read() {
    row_.envoy_proxy = name_;
    keep(
        "access log", read_access_logs(), [this](ir::AccessLogs logs) { row_.access_logs = std::move(logs); },
        [this] { row_.access_logs.clear(); });
    keep(
        "tracing", read_tracing(), [this](Boxed<ir::Tracing> tracing) { row_.tracing = std::move(tracing); },
        [] {});
    keep(
        "metrics", read_metrics_sinks(),
        [this](std::vector<ir::Proxy::MetricsSink> sinks) { row_.metrics_sinks = std::move(sinks); }, [] {});
    if (auto fault = fault_of_stat_name(spec_.metrics.cluster_stat_name)) {
      keep("metrics", Result<bool>(std::unexpected(*std::move(fault))), [](bool) {}, [] {});
    }
    const api::Metrics& metrics = spec_.metrics;
    row_.grpc_stats = metrics.enable_grpc_stats;
    row_.counts_hosts = metrics.enable_virtual_host_stats.value_or(false);
    row_.of_clusters.per_endpoint = metrics.enable_per_endpoint_stats.value_or(false);
    row_.of_clusters.sizes = metrics.enable_request_response_sizes_stats.value_or(false);
    if (spec_.health_check_log) {
      row_.of_clusters.health_check_log = read_health_check_log(*spec_.health_check_log);
    }
    if (spec_.request_id) {
      using How = api::RequestIDTracing;
      const How how = *spec_.request_id;
      row_.request_id = {.packs_decision = how == How::kPackAndSample || how == How::kPack,
                         .samples = how == How::kPackAndSample || how == How::kSample};
    }
  }

 private:
  // Clusters of what cannot be are not kept either.
  template <typename T>
  void keep(std::string_view what, Result<T> read, auto&& use, auto&& do_without) {
    if (read) {
      use(std::move(*read));
      std::ranges::move(clusters_, std::back_inserter(row_.clusters));
      clusters_.clear();
      return;
    }
    clusters_.clear();
    do_without();
    Failure& why = read.error();
    if (!row_.error.empty()) row_.error += "; ";
    row_.error += fmt::format("The {} of EnvoyProxy {} cannot be: {}", what, name_.to_string(), why.message);
    report(std::move(why), Severity::kError);
  }

  void report(Failure why, Severity severity) {
    row_.problems.push_back({.code = std::move(why.code),
                             .severity = severity,
                             .where = {},
                             .object = self_,
                             .path = fmt::format("spec.telemetry.{}", why.path),
                             .message = std::move(why.message),
                             .suggestion = std::move(why.suggestion),
                             .also = {}});
  }

  // ---- whom it is told ---------------------------------------------------------------------

  // `cluster` is the name of the one that this makes; Envoy Gateway's, and fit for an authority.
  Result<Receiver> receiver(const api::BackendCluster& from, const std::string& path, std::string cluster,
                            bool grpc) {
    const BackendReader backends{.from = self_.kind,
                                 .namespace_ = name_.namespace_,
                                 .access = access_,
                                 .settings = settings_,
                                 .inputs = inputs_,
                                 .tables = tables_,
                                 .grpc = grpc,
                                 .unix_sockets = true,
                                 .trusted = true};
    std::vector<WeightedBackend> members;
    for (std::size_t i = 0; i < from.backend_refs.size(); ++i) {
      const api::PolicyBackendRef& ref = from.backend_refs[i];
      std::vector<PolicyUse> uses;
      auto backend = resolve_backend(ref.ref, backends, reads_, uses);
      for (PolicyUse& use : uses) {
        use.ancestor = {.group = self_.kind.group(),
                        .kind = self_.kind.kind(),
                        .namespace_ = name_.namespace_,
                        .name = name_.name};
        if (std::ranges::find(row_.policies_met, use) == row_.policies_met.end()) {
          row_.policies_met.push_back(std::move(use));
        }
      }
      if (!backend) {
        const ReferenceFailure& why = backend.error();
        return std::unexpected(Failure{
            .path = fmt::format("{}.backendRefs[{}]{}{}", path, i, why.field.empty() ? "" : ".", why.field),
            .code = why.code,
            .message = why.message,
            .suggestion = why.suggestion});
      }
      if ((*backend)->row.cluster.discovery == ir::Discovery::kDynamic) {
        return std::unexpected(Failure{.path = fmt::format("{}.backendRefs[{}]", path, i),
                                       .code = "value/backend",
                                       .message = "a Backend of type DynamicResolver is nobody in particular",
                                       .suggestion = "name one with endpoints"});
      }
      if (ref.weight == 0) continue;
      members.push_back({.weight = static_cast<std::uint32_t>(ref.weight),
                         .backend = named(*std::move(backend)),
                         .fallback = ref.fallback});
    }
    if (members.empty()) {
      return std::unexpected(Failure{.path = path + ".backendRefs",
                                     .code = "value/weight",
                                     .message = "every backend has weight 0: there is none to tell",
                                     .suggestion = "give one of them a weight"});
    }
    Receiver to{.cluster = cluster, .authority = authority_of_backend(*members.front().backend), .retry = {}};
    std::shared_ptr<ResolvedBackend> joined = join_backends(std::move(cluster), self_, members, false);
    if (from.backend_settings) {
      if (auto fault = read_settings(*from.backend_settings, path, to, joined->row.cluster)) {
        return std::unexpected(*std::move(fault));
      }
    }
    clusters_.push_back(row_of(std::move(joined)));
    return to;
  }

  // What is wrong with them is reported here.
  std::optional<Failure> read_settings(const api::ClusterSettings& from, const std::string& path,
                                       Receiver& to, ir::Cluster& cluster) {
    const std::string at = path + ".backendSettings";
    ReadSettings read = read_cluster_settings(from);
    std::ranges::move(unused_by_service(from), std::back_inserter(read.problems));
    for (const SettingProblem& problem : read.problems) {
      row_.problems.push_back(problem_at(problem, self_, fmt::format("spec.telemetry.{}", at)));
    }
    if (!read.good()) {
      return Failure{.path = at,
                     .code = "value/setting",
                     .message = "its `backendSettings` cannot be served",
                     .suggestion = {}};
    }
    to.retry = read.requests.retry;
    cluster.settings = settings_of_service(std::move(read), to.authority);
    return std::nullopt;
  }

  // A backend that is asked by its name alone, and TLS to it without a name: it is this one, for there is no
  // client's request whose host it could be.
  static BackendPtr named(BackendPtr backend) {
    const Boxed<ir::UpstreamTls>& tls = backend->row.cluster.tls;
    if (!tls || !tls->sni.empty() || tls->sni_from_endpoint) return backend;
    auto other = std::make_shared<ResolvedBackend>(*backend);
    ir::UpstreamTls& terms = *other->row.cluster.tls;
    terms.sni = authority_of_backend(*backend);
    if (terms.subject_alt_names.empty() && !terms.sni.empty()) {
      terms.subject_alt_names = {{.kind = ir::SubjectAltName::Kind::kDns, .value = terms.sni}};
    }
    return other;
  }

  Result<Receiver> receiver(const api::Collector& from, const std::string& path, std::string cluster,
                            bool grpc) {
    if (!from.backends.backend_refs.empty()) {
      return receiver(from.backends, path, std::move(cluster), grpc);
    }
    if (from.host.empty() || from.port < 1 || from.port > 65'535) {
      return std::unexpected(
          Failure{.path = path + (from.host.empty() ? ".host" : ".port"),
                  .code = "value/backend",
                  .message = from.host.empty() ? "an empty host is nobody" : "there is no such port",
                  .suggestion = "name a Service or Backend in `backendRefs`"});
    }
    auto row = std::make_shared<ClusterRow>();
    row->cluster.name = cluster;
    row->cluster.owner = self_;
    if (grpc) row->cluster.protocol = ir::UpstreamProtocol::kHttp2;
    std::vector<ir::Locality> here{{.region = {},
                                    .zone = {},
                                    .priority = 0,
                                    .weight = 1,
                                    .tls = {},
                                    .endpoints = {{.address = from.host,
                                                   .port = static_cast<std::uint16_t>(from.port),
                                                   .unix_path = {},
                                                   .hostname = {}}}}};
    if (is_ip_address(from.host)) {
      row->fixed = std::move(here);
    } else {
      row->cluster.discovery = ir::Discovery::kDns;
      row->cluster.dns_localities = std::move(here);
    }
    Receiver to{.cluster = std::move(cluster), .authority = from.host, .retry = {}};
    if (from.backends.backend_settings) {
      if (auto fault = read_settings(*from.backends.backend_settings, path, to, row->cluster)) {
        return std::unexpected(*std::move(fault));
      }
    }
    clusters_.push_back(std::move(row));
    return to;
  }

  Result<ir::GrpcCall> call(const api::Collector& from, const std::string& path,
                            const std::string& headers_path, std::string cluster) {
    auto to = receiver(from, path, std::move(cluster), true);
    if (!to) return std::unexpected(std::move(to.error()));
    ir::GrpcCall call{.cluster = std::move(to->cluster),
                      .authority = std::move(to->authority),
                      .metadata = {},
                      .retry = std::move(to->retry)};
    for (std::size_t i = 0; i < from.headers.size(); ++i) {
      const api::HTTPHeader& header = from.headers[i];
      if (auto fault = fault_of_head(header.value)) {
        return std::unexpected(Failure{.path = fmt::format("{}.headers[{}].value", headers_path, i),
                                       .code = "value/header",
                                       .message = std::move(fault->message),
                                       .suggestion = std::move(fault->suggestion)});
      }
      call.metadata.emplace_back(header.name, header.value);
    }
    return call;
  }

  // ---- logs --------------------------------------------------------------------------------

  // Nothing, or what Envoy would refuse of a text with commands.
  static std::optional<Failure> fault_of_format(const std::string& text, std::string path) {
    auto fault = fault_of_commands(text);
    if (!fault) return std::nullopt;
    return Failure{.path = std::move(path),
                   .code = "value/format",
                   .message = std::move(fault->message),
                   .suggestion = std::move(fault->suggestion)};
  }

  static std::optional<Failure> fault_of_formats(const api::StringMap& texts, const std::string& path) {
    for (const auto& [key, text] : texts) {
      if (auto fault = fault_of_format(text, fmt::format("{}.{}", path, key))) return fault;
    }
    return std::nullopt;
  }

  Result<ir::AccessLogs> read_access_logs() {
    if (!spec_.access_log ||
        (!spec_.access_log->disable.value_or(false) && spec_.access_log->settings.empty())) {
      return ir::AccessLogs{ir::AccessLog()};
    }
    // Files first, then services, then collectors, each in the user's order, as Envoy Gateway has them.
    ir::AccessLogs texts;
    ir::AccessLogs files;
    ir::AccessLogs services;
    ir::AccessLogs collectors;
    if (!spec_.access_log->disable.value_or(false)) {
      for (std::size_t i = 0; i < spec_.access_log->settings.size(); ++i) {
        const api::AccessLogSetting& setting = spec_.access_log->settings[i];
        const std::string path = fmt::format("accessLog.settings[{}]", i);
        if (auto fault = check_setting(setting, path)) return std::unexpected(*std::move(fault));
        for (std::size_t j = 0; j < setting.sinks.size(); ++j) {
          auto log = read_sink(setting, i, j, fmt::format("{}.sinks[{}]", path, j));
          if (!log) return std::unexpected(std::move(log.error()));
          if (!*log) continue;
          log->value().matches = setting.matches;
          log->value().where = where_of(setting.type);
          const auto* file = std::get_if<ir::LogFile>(&log->value().sink);
          const bool service = std::holds_alternative<ir::LogService>(log->value().sink);
          ir::AccessLogs& all = file != nullptr ? (file->text ? texts : files)
                                : service       ? services
                                                : collectors;
          all.push_back(**std::move(log));
        }
      }
    }
    for (ir::AccessLogs* more : {&files, &services, &collectors}) {
      std::ranges::move(*more, std::back_inserter(texts));
    }
    return texts;
  }

  static ir::AccessLog::Where where_of(const std::optional<api::AccessLogType>& type) {
    if (!type) return ir::AccessLog::Where::kServed;
    switch (*type) {
      case api::AccessLogType::kListener:
        return ir::AccessLog::Where::kListener;
      case api::AccessLogType::kRoute:
        return ir::AccessLog::Where::kRoute;
      case api::AccessLogType::kUpstream:
        return ir::AccessLog::Where::kUpstream;
    }
    return ir::AccessLog::Where::kServed;
  }

  static std::optional<Failure> check_setting(const api::AccessLogSetting& setting, const std::string& path) {
    for (std::size_t i = 0; i < setting.matches.size(); ++i) {
      if (auto parsed = schema::cel::check_syntax(setting.matches[i]); !parsed) {
        return Failure{
            .path = fmt::format("{}.matches[{}]", path, i),
            .code = "value/cel",
            .message = fmt::format("`{}` is no CEL expression: {}", setting.matches[i], parsed.error()),
            .suggestion = {}};
      }
    }
    if (!setting.format) return std::nullopt;
    if (setting.format->text) {
      if (auto fault = fault_of_format(*setting.format->text, path + ".format.text")) return fault;
    }
    return fault_of_formats(setting.format->json, path + ".format.json");
  }

  Result<std::optional<ir::AccessLog>> read_sink(const api::AccessLogSetting& setting, std::size_t i,
                                                 std::size_t j, const std::string& path) {
    const api::AccessLogFormat format = setting.format.value_or(api::AccessLogFormat());
    // Without a type, it is what is there.
    const bool is_text = format.type ? *format.type == api::AccessLogFormatType::kText
                                     : format.text.has_value() && format.json.empty();
    if (setting.sinks[j].file) {
      ir::LogFile file{.path = setting.sinks[j].file->path, .text = {}, .json = {}};
      if (is_text) {
        file.text = format.text;
      } else {
        file.json = format.json;
      }
      return ir::AccessLog{.sink = std::move(file), .matches = {}};
    }
    if (setting.sinks[j].als) {
      const api::AccessLogService& from = *setting.sinks[j].als;
      auto to = receiver(from.backends, path + ".als", fmt::format("accesslog_als_{}_{}", i, j), true);
      if (!to) return std::unexpected(std::move(to.error()));
      return ir::AccessLog{
          .sink = ir::LogService{.call = {.cluster = std::move(to->cluster),
                                          .authority = {},
                                          .metadata = {},
                                          .retry = std::move(to->retry)},
                                 .name = from.log_name.empty() ? name_.to_string() : from.log_name,
                                 .of_connections = from.type == api::AccessLogServiceType::kTCP,
                                 .request_headers = from.request_headers,
                                 .response_headers = from.response_headers,
                                 .response_trailers = from.response_trailers},
          .matches = {}};
    }
    if (setting.sinks[j].open_telemetry) {
      const api::AccessLogCollector& from = *setting.sinks[j].open_telemetry;
      const std::string here = path + ".openTelemetry";
      auto to = call(from.collector, here, here, fmt::format("accesslog_otel_{}_{}", i, j));
      if (!to) return std::unexpected(std::move(to.error()));
      ir::LogCollector collector{.call = *std::move(to), .resource = {}, .body = {}, .attributes = {}};
      const auto& attributes =
          from.collector.resource_attributes.empty() ? from.resources : from.collector.resource_attributes;
      collector.resource = {attributes.begin(), attributes.end()};
      if (!settings_.on_host) collector.attributes.assign(std::begin(kOfPod), std::end(kOfPod));
      // A body may stand beside attributes.
      if (!format.type || is_text) collector.body = format.text;
      if (!format.type || !is_text) {
        collector.attributes.insert(collector.attributes.end(), format.json.begin(), format.json.end());
      }
      if (!collector.body && format.json.empty()) {
        collector.attributes.insert(collector.attributes.end(), std::begin(ir::kLogFields),
                                    std::end(ir::kLogFields));
      }
      return ir::AccessLog{.sink = std::move(collector), .matches = {}};
    }
    return std::nullopt;
  }

  // ---- traces ------------------------------------------------------------------------------

  Result<Boxed<ir::Tracing>> read_tracing() {
    if (!spec_.tracing) return Boxed<ir::Tracing>();
    const api::Tracing& from = *spec_.tracing;
    ir::Tracing to;
    if (auto fault = read_provider(from.provider, to)) return std::unexpected(*std::move(fault));
    to.service_name = from.provider.service_name;
    if (to.service_name.empty()) {
      // Of a Gateway, or else of the class whose Gateways are merged.
      to.service_name =
          proxy_ == gateway_.to_string() ? fmt::format("{}.{}", gateway_.name, gateway_.namespace_) : proxy_;
    }
    if (from.sampling_rate) to.random.value = *from.sampling_rate;
    if (from.sampling_fraction) to.random.value = percent(*from.sampling_fraction);
    if (from.client_sampling_fraction) to.client.value = percent(*from.client_sampling_fraction);
    if (from.overall_sampling_fraction) to.overall.value = percent(*from.overall_sampling_fraction);
    // The sampler is to see all of them.
    if (from.provider.sampler) to.random.value = 100;
    if (auto fault = read_tags(from, to)) return std::unexpected(*std::move(fault));
    if (from.span_name) {
      to.operation = from.span_name->client;
      to.upstream_operation = from.span_name->server;
      if (auto fault = fault_of_format(to.operation, "tracing.spanName.client")) {
        return std::unexpected(*std::move(fault));
      }
      if (auto fault = fault_of_format(to.upstream_operation, "tracing.spanName.server")) {
        return std::unexpected(*std::move(fault));
      }
    }
    return Boxed<ir::Tracing>(std::move(to));
  }

  std::optional<Failure> read_provider(const api::TracingProvider& from, ir::Tracing& to) {
    const std::string path = "tracing.provider";
    constexpr char kCluster[] = "tracing";
    if (from.type == api::TracingProviderType::kOpenTelemetry) {
      auto collector = call(from.collector, path, path + ".openTelemetry", kCluster);
      if (!collector) return std::move(collector.error());
      const api::StringMap& attributes = from.collector.resource_attributes;
      to.provider = ir::TraceCollector{.call = *std::move(collector),
                                       .resource = {attributes.begin(), attributes.end()},
                                       .sampler = sampler_of(from.sampler)};
      return std::nullopt;
    }
    auto collector = receiver(from.collector, path, kCluster, false);
    if (!collector) return std::move(collector.error());
    if (from.type == api::TracingProviderType::kDatadog) {
      to.provider = ir::Datadog{.cluster = std::move(collector->cluster)};
      return std::nullopt;
    }
    to.provider = ir::Zipkin{.cluster = std::move(collector->cluster),
                             .host = std::move(collector->authority),
                             .long_ids = from.enable_128_bit_trace_id,
                             .shared_spans = !from.disable_shared_span_context};
    if (!from.service_name.empty()) {
      report({.path = path + ".serviceName",
              .code = "support/no-effect",
              .message = "Envoy tells Zipkin the name of its cluster, and no other",
              .suggestion = "remove it"},
             Severity::kWarning);
    }
    return std::nullopt;
  }

  static std::optional<ir::Sampler> sampler_of(const std::optional<api::TracingSampler>& from) {
    if (!from) return std::nullopt;
    using Type = api::TracingSamplerType;
    ir::Sampler to;
    to.parent_based = from->type == Type::kParentBasedAlwaysOn || from->type == Type::kParentBasedAlwaysOff ||
                      from->type == Type::kParentBasedTraceIdRatio;
    if (from->type == Type::kAlwaysOff || from->type == Type::kParentBasedAlwaysOff) {
      to.ratio = ir::Percentage{0};
    } else if (from->type == Type::kTraceIdRatio || from->type == Type::kParentBasedTraceIdRatio) {
      to.ratio = ir::Percentage{from->sampling_percentage ? percent(*from->sampling_percentage) : 100};
    }
    return to;
  }

  static std::optional<Failure> read_tags(const api::Tracing& from, ir::Tracing& to) {
    using Kind = ir::TraceTag::Kind;
    for (const auto& [name, tag] : from.custom_tags) {
      if (from.tags.contains(name)) continue;
      ir::TraceTag& made = to.tags.emplace_back();
      made.name = name;
      switch (tag.type) {
        case api::TracingTagType::kLiteral:
          made.value = tag.literal;
          break;
        case api::TracingTagType::kEnvironment:
          made.kind = Kind::kEnvironment;
          made.value = tag.environment.name;
          made.default_value = tag.environment.default_value;
          break;
        case api::TracingTagType::kRequestHeader:
          made.kind = Kind::kRequestHeader;
          made.value = tag.request_header.name;
          made.default_value = tag.request_header.default_value;
          break;
      }
      // Envoy takes none of these without.
      if (made.value.empty()) {
        return Failure{.path = fmt::format("tracing.customTags.{}", name),
                       .code = "value/tag",
                       .message = "the tag says neither a text nor where one is",
                       .suggestion = {}};
      }
    }
    if (auto fault = fault_of_formats(from.tags, "tracing.tags")) return fault;
    for (const auto& [name, text] : from.tags) {
      to.tags.push_back({.kind = Kind::kFormat, .name = name, .value = text, .default_value = {}});
    }
    std::ranges::sort(to.tags, {}, &ir::TraceTag::name);
    return std::nullopt;
  }

  // ---- metrics -----------------------------------------------------------------------------

  Result<std::vector<ir::Proxy::MetricsSink>> read_metrics_sinks() {
    std::vector<ir::Proxy::MetricsSink> sinks;
    for (std::size_t i = 0; i < spec_.metrics.sinks.size(); ++i) {
      if (!spec_.metrics.sinks[i].open_telemetry) continue;
      const api::MetricsCollector& from = *spec_.metrics.sinks[i].open_telemetry;
      const std::string path = fmt::format("metrics.sinks[{}].openTelemetry", i);
      auto to = call(from.collector, path, path, fmt::format("metrics_otel_{}", i));
      if (!to) return std::unexpected(std::move(to.error()));
      auto cluster = bootstrap_cluster(*clusters_.back(), path);
      if (!cluster) return std::unexpected(std::move(cluster.error()));
      const api::StringMap& attributes = from.collector.resource_attributes;
      sinks.push_back({.cluster = *std::move(cluster),
                       .call = *std::move(to),
                       .resource = {attributes.begin(), attributes.end()},
                       .counter_deltas = from.report_counters_as_deltas,
                       .histogram_deltas = from.report_histograms_as_deltas});
    }
    return sinks;
  }

  // The operators are those of route_rules.cc.
  static std::optional<Failure> fault_of_stat_name(std::string_view text) {
    static constexpr std::string_view kOperators[] = {"%ROUTE_KIND%",        "%ROUTE_NAMESPACE%",
                                                      "%ROUTE_NAME%",        "%ROUTE_RULE_NAME%",
                                                      "%ROUTE_RULE_NUMBER%", "%BACKEND_REFS%"};
    for (auto at = text.find('%'); at != text.npos; at = text.find('%', at)) {
      const auto* known = std::ranges::find_if(
          kOperators, [&](std::string_view name) { return text.substr(at).starts_with(name); });
      if (known == std::end(kOperators)) {
        return Failure{.path = "metrics.clusterStatName",
                       .code = "value/format",
                       .message = "a `%` stands for the begin of an operator, and there is none",
                       .suggestion = fmt::format("there are {}", fmt::join(kOperators, ", "))};
      }
      at += known->size();
    }
    return std::nullopt;
  }

  // Names to resolve are part of a cluster, and one of the bootstrap cannot change with those of a Service.
  static Result<ir::Cluster> bootstrap_cluster(const ClusterRow& row, const std::string& path) {
    ir::Cluster cluster = row.cluster;
    if (cluster.discovery != ir::Discovery::kDns) return cluster;
    bool follows = row.service_port.has_value();
    for (const ClusterRow::Member& member : row.members) follows = follows || member.row->service_port;
    if (follows) {
      return std::unexpected(Failure{
          .path = path + ".backendRefs",
          .code = "support/names",
          .message = "metrics cannot be sent to EndpointSlices of names, nor to a Service beside names",
          .suggestion = "send them to a Backend with the names, or to the Service alone"});
    }
    std::vector<ir::Locality> room;
    const auto localities = localities_of(row, [](const ObjectKey&) { return nullptr; }, room);
    cluster.dns_localities.assign(localities.begin(), localities.end());
    return cluster;
  }

  const ir::ProxyKey& proxy_;
  const NamespacedName gateway_;
  const api::Telemetry& spec_;
  const NamespacedName name_;
  const ObjectKey self_;
  const BackendAccess access_;
  const Settings& settings_;
  const Inputs& inputs_;
  const Projections& tables_;
  flow::Reads& reads_;
  TelemetryRow& row_;
  std::vector<std::shared_ptr<const ClusterRow>> clusters_;  // of what is being read
};

}  // namespace

TelemetryRow read_telemetry(const ir::ProxyKey& proxy, const GatewayPlan& oldest, const Settings& settings,
                            const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  TelemetryRow row;
  if (oldest.envoy_proxy == nullptr) return row;
  Reader(proxy, oldest, settings, inputs, tables, reads, row).read();
  return row;
}

}  // namespace sluice::translate

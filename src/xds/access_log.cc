#include "xds/access_log.h"

#include <string>
#include <utility>
#include <variant>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/filters/cel/v3/cel.pb.h"
#include "envoy/extensions/access_loggers/grpc/v3/als.pb.h"
#include "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.pb.h"

#include "xds/grpc_call.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

namespace log_v3 = envoy::config::accesslog::v3;
namespace grpc_v3 = envoy::extensions::access_loggers::grpc::v3;
using Where = ir::AccessLog::Where;

constexpr char kCollectorLog[] = "otel_envoy_accesslog";  // Envoy Gateway's

void fill(const ir::LogFile& from, log_v3::AccessLog* to) {
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(from.path);
  if (from.text) {
    file.mutable_log_format()->mutable_text_format_source()->set_inline_string(*from.text);
  } else {
    auto& fields = *file.mutable_log_format()->mutable_json_format()->mutable_fields();
    for (const auto& [name, format] : from.json) fields[name].set_string_value(format);
    if (from.json.empty()) {
      for (const auto& [name, format] : ir::kLogFields) fields[name].set_string_value(format);
    }
  }
  to->set_name("envoy.access_loggers.file");
  pack(file, to->mutable_typed_config());
}

void fill_common(const ir::LogService& from, grpc_v3::CommonGrpcAccessLogConfig* to) {
  to->set_log_name(from.name);
  to->set_transport_api_version(envoy::config::core::v3::V3);
  fill_grpc_call(from.call, to->mutable_grpc_service());
}

void fill(const ir::LogService& from, log_v3::AccessLog* to) {
  if (from.of_connections) {
    grpc_v3::TcpGrpcAccessLogConfig service;
    fill_common(from, service.mutable_common_config());
    to->set_name("envoy.access_loggers.tcp_grpc");
    pack(service, to->mutable_typed_config());
    return;
  }
  grpc_v3::HttpGrpcAccessLogConfig service;
  fill_common(from, service.mutable_common_config());
  for (const std::string& name : from.request_headers) service.add_additional_request_headers_to_log(name);
  for (const std::string& name : from.response_headers) service.add_additional_response_headers_to_log(name);
  for (const std::string& name : from.response_trailers) {
    service.add_additional_response_trailers_to_log(name);
  }
  to->set_name("envoy.access_loggers.http_grpc");
  pack(service, to->mutable_typed_config());
}

void add_value(const std::string& key, const std::string& text,
               opentelemetry::proto::common::v1::KeyValueList* to) {
  auto* value = to->add_values();
  value->set_key(key);
  value->mutable_value()->set_string_value(text);
}

void fill(const ir::LogCollector& from, log_v3::AccessLog* to) {
  envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig collector;
  // Envoy has newer fields for the same, which Envoy Gateway's patches do not know.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  grpc_v3::CommonGrpcAccessLogConfig* common = collector.mutable_common_config();
#pragma GCC diagnostic pop
  common->set_log_name(kCollectorLog);
  common->set_transport_api_version(envoy::config::core::v3::V3);
  fill_grpc_call(from.call, common->mutable_grpc_service());
  collector.mutable_resource_attributes();
  for (const auto& [key, text] : from.resource) {
    add_value(key, text, collector.mutable_resource_attributes());
  }
  if (from.body) collector.mutable_body()->set_string_value(*from.body);
  collector.mutable_attributes();
  for (const auto& [key, text] : from.attributes) add_value(key, text, collector.mutable_attributes());
  to->set_name("envoy.access_loggers.open_telemetry");
  pack(collector, to->mutable_typed_config());
}

void add_filter(const std::string& expression, log_v3::AccessLogFilter* to) {
  envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter filter;
  filter.set_expression(expression);
  to->mutable_extension_filter()->set_name("envoy.access_loggers.extension_filters.cel");
  pack(filter, to->mutable_extension_filter()->mutable_typed_config());
}

// What is logged; `unserved`: nothing but what nobody serves.
void fill_filter(const std::vector<std::string>& matches, bool unserved, log_v3::AccessLog* log) {
  const std::size_t count = matches.size() + (unserved ? 1 : 0);
  if (count == 0) return;
  const auto next = [&] {
    log_v3::AccessLogFilter* filter = log->mutable_filter();
    return count == 1 ? filter : filter->mutable_and_filter()->add_filters();
  };
  for (const std::string& match : matches) add_filter(match, next());
  if (unserved) next()->mutable_response_flag_filter()->add_flags("NR");
}

bool is_for(Where where, LogOf of) {
  switch (where) {
    case Where::kServed:
      return of != LogOf::kAttempts;
    case Where::kListener:
      return of == LogOf::kUnserved;
    case Where::kRoute:
      return of == LogOf::kRequests;
    case Where::kUpstream:
      return of == LogOf::kAttempts;
  }
  return false;
}

}  // namespace

void fill_access_logs(const ir::AccessLogs& logs, LogOf of,
                      google::protobuf::RepeatedPtrField<log_v3::AccessLog>* to) {
  for (const ir::AccessLog& log : logs) {
    if (!is_for(log.where, of)) continue;
    log_v3::AccessLog* made = to->Add();
    std::visit([made](const auto& sink) { fill(sink, made); }, log.sink);
    // Requests are logged by whoever serves them: of those the listener has none to tell.
    fill_filter(log.matches, of == LogOf::kUnserved && log.where == Where::kServed, made);
  }
}

}  // namespace sluice::xds

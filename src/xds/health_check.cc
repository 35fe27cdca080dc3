#include "xds/health_check.h"

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "envoy/config/cluster/v3/outlier_detection.pb.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/extensions/health_check/event_sinks/file/v3/file.pb.h"

#include "xds/duration.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace core = envoy::config::core::v3;

namespace {

constexpr std::uint32_t kAlways = 100;  // percent of the times that an endpoint should be ejected

using Ranges = google::protobuf::RepeatedPtrField<envoy::type::v3::Int64Range>;

// Neighbours are one range; its end is behind the last.
void fill_ranges(std::span<const std::uint32_t> statuses, Ranges* to) {
  for (const std::uint32_t status : statuses) {
    if (to->empty() || to->rbegin()->end() != status) to->Add()->set_start(status);
    to->rbegin()->set_end(status + 1);
  }
}

void fill(const ir::HttpQuestion& from, core::HealthCheck* check) {
  core::HealthCheck::HttpHealthCheck* to = check->mutable_http_health_check();
  to->set_host(from.host);
  to->set_path(from.path);
  to->set_method(static_cast<core::RequestMethod>(from.method));
  fill_ranges(from.expected, to->mutable_expected_statuses());
  fill_ranges(from.retriable, to->mutable_retriable_statuses());
  if (!from.body.empty()) to->mutable_send()->set_binary(from.body);
  if (!from.answer.empty()) to->add_receive()->set_binary(from.answer);
}

void fill(const ir::TcpQuestion& from, core::HealthCheck* check) {
  core::HealthCheck::TcpHealthCheck* to = check->mutable_tcp_health_check();
  if (!from.send.empty()) to->mutable_send()->set_binary(from.send);
  if (!from.receive.empty()) to->add_receive()->set_binary(from.receive);
}

void fill(const ir::GrpcQuestion& from, core::HealthCheck* check) {
  check->mutable_grpc_health_check()->set_service_name(from.service);
  check->mutable_grpc_health_check()->set_authority(from.authority);
}

void fill_log(const ir::HealthCheckLog& from, core::HealthCheck* to) {
  envoy::extensions::health_check::event_sinks::file::v3::HealthCheckEventFileSink sink;
  sink.set_event_log_path(from.path);
  core::TypedExtensionConfig* logger = to->add_event_logger();
  logger->set_name("envoy.health_check.event_sinks.file");
  pack(sink, logger->mutable_typed_config());
  to->set_always_log_health_check_failures(from.every_failure);
  to->set_always_log_health_check_success(from.every_success);
}

}  // namespace

void fill_health_check(const ir::HealthCheck& from, core::HealthCheck* to) {
  fill_duration(from.timeout, to->mutable_timeout());
  fill_duration(from.interval, to->mutable_interval());
  // Envoy's own is a minute: whoever dies soon after the first answer would count as healthy for so long.
  if (from.while_idle) fill_duration(from.interval, to->mutable_no_traffic_interval());
  if (from.initial_jitter) fill_duration(*from.initial_jitter, to->mutable_initial_jitter());
  to->mutable_unhealthy_threshold()->set_value(from.unhealthy_after);
  to->mutable_healthy_threshold()->set_value(from.healthy_after);
  std::visit([to](const auto& question) { fill(question, to); }, from.question);
  if (from.log) fill_log(*from.log, to);
}

void fill_outlier_detection(const ir::OutlierDetection& from,
                            envoy::config::cluster::v3::OutlierDetection* to) {
  fill_duration(from.interval, to->mutable_interval());
  fill_duration(from.ejection_time, to->mutable_base_ejection_time());
  to->mutable_max_ejection_percent()->set_value(from.max_ejected_percent);
  to->mutable_always_eject_one_host()->set_value(from.always_one);
  to->mutable_consecutive_5xx()->set_value(from.server_errors);
  to->mutable_consecutive_local_origin_failure()->set_value(from.local_failures);
  to->set_split_external_local_origin_errors(from.local_apart);
  // Envoy counts these for statistics only unless it is told otherwise.
  if (from.gateway_errors) {
    to->mutable_consecutive_gateway_failure()->set_value(*from.gateway_errors);
    to->mutable_enforcing_consecutive_gateway_failure()->set_value(kAlways);
  }
  if (from.failure_percent) {
    to->mutable_failure_percentage_threshold()->set_value(*from.failure_percent);
    to->mutable_enforcing_failure_percentage()->set_value(kAlways);
  }
}

}  // namespace sluice::xds

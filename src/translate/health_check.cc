#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include <fmt/format.h>

#include "translate/setting_reader.h"

namespace sluice::translate {

namespace {

constexpr std::string_view kActive = "healthCheck.active";
constexpr std::string_view kPassive = "healthCheck.passive";

std::string path_in(std::string_view in, std::string_view field) { return fmt::format("{}.{}", in, field); }

ir::HttpQuestion::Method read_method(const std::string& from, SettingReader& reader) {
  using enum ir::HttpQuestion::Method;
  constexpr std::array<std::pair<std::string_view, ir::HttpQuestion::Method>, 9> kMethods{
      {{"", kUnset},
       {"GET", kGet},
       {"HEAD", kHead},
       {"POST", kPost},
       {"PUT", kPut},
       {"DELETE", kDelete},
       {"OPTIONS", kOptions},
       {"TRACE", kTrace},
       {"PATCH", kPatch}}};
  const std::string method = absl::AsciiStrToUpper(from);
  for (const auto& [name, value] : kMethods) {
    if (name == method) return value;
  }
  reader.error(path_in(kActive, "http.method"), fmt::format("Envoy cannot ask with the method `{}`", from),
               "use `GET`");
  return kUnset;
}

std::vector<std::uint32_t> read_statuses(const std::vector<std::int32_t>& from) {
  std::vector<std::uint32_t> to;
  for (const std::int32_t status : from) to.push_back(static_cast<std::uint32_t>(status));
  std::ranges::sort(to);
  to.erase(std::ranges::unique(to).begin(), to.end());
  return to;
}

std::string read_payload(const std::optional<api::HealthCheckPayload>& from) {
  if (!from) return "";
  return (from->type == api::HealthCheckPayloadType::kText ? from->text : from->binary).value_or("");
}

ir::HttpQuestion read_http(const api::HTTPHealthCheck& from, SettingReader& reader) {
  ir::HttpQuestion to;
  to.host = from.hostname.value_or("");
  to.path = from.path;
  to.method = read_method(from.method, reader);
  if (!from.expected_statuses.empty()) to.expected = read_statuses(from.expected_statuses);
  to.retriable = read_statuses(from.retriable_statuses);
  to.body = read_payload(from.request_body);
  to.answer = read_payload(from.expected_response);
  return to;
}

}  // namespace

ir::HealthCheckLog read_health_check_log(const api::HealthCheckLog& from) {
  const auto logs = [&from](api::HealthCheckEvent event) {
    return from.matches.empty() || std::ranges::find(from.matches, event) != from.matches.end();
  };
  return {.path = from.sinks.empty() ? "/dev/stdout" : from.sinks.front().path,
          .every_failure = logs(api::HealthCheckEvent::kFailure),
          .every_success = logs(api::HealthCheckEvent::kSuccess)};
}

ir::HealthCheck read_health_check(const api::ActiveHealthCheck& from, SettingReader& reader) {
  ir::HealthCheck to;
  switch (from.type) {
    case api::HealthCheckType::kHTTP:
      if (from.http) to.question = read_http(*from.http, reader);
      break;
    case api::HealthCheckType::kTCP: {
      ir::TcpQuestion tcp;
      if (from.tcp) tcp = {.send = read_payload(from.tcp->send), .receive = read_payload(from.tcp->receive)};
      to.question = std::move(tcp);
      break;
    }
    case api::HealthCheckType::kGRPC:
      to.question = ir::GrpcQuestion{.service = from.grpc_service};
      break;
  }
  to.interval = reader.positive(path_in(kActive, "interval"), from.interval);
  to.timeout = reader.positive(path_in(kActive, "timeout"), from.timeout);
  to.initial_jitter = from.initial_jitter;
  to.healthy_after = reader.count(path_in(kActive, "healthyThreshold"), std::int64_t{from.healthy_threshold});
  to.unhealthy_after =
      reader.count(path_in(kActive, "unhealthyThreshold"), std::int64_t{from.unhealthy_threshold});
  to.port = static_cast<std::uint16_t>(from.overrides_port.value_or(0));
  if (from.health_check_log) to.log = read_health_check_log(*from.health_check_log);
  return to;
}

ir::OutlierDetection read_outlier_detection(const api::PassiveHealthCheck& from, SettingReader& reader) {
  const auto count = [&reader](std::string_view field, auto value) {
    return reader.count(path_in(kPassive, field), value);
  };
  return {.interval = reader.positive(path_in(kPassive, "interval"), from.interval),
          .ejection_time = reader.positive(path_in(kPassive, "baseEjectionTime"), from.base_ejection_time),
          .max_ejected_percent = count("maxEjectionPercent", std::int64_t{from.max_ejection_percent}),
          .always_one = from.always_eject_one_endpoint,
          .server_errors = count("consecutive5XxErrors", std::int64_t{from.consecutive_5xx_errors}),
          .gateway_errors = count("consecutiveGatewayErrors", from.consecutive_gateway_errors),
          .local_failures =
              count("consecutiveLocalOriginFailures", std::int64_t{from.consecutive_local_origin_failures}),
          .local_apart = from.split_external_local_origin_errors,
          .failure_percent = count("failurePercentageThreshold", from.failure_percentage_threshold)};
}

}  // namespace sluice::translate

#include "api/envoy_gateway/cluster_settings_fields.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// Text or bytes, to send or to expect.
Type payload() {
  return object({
                    field<&HealthCheckPayload::binary>("binary", string().formatted("byte"))
                        .doc("Bytes, in base64."),
                    field<&HealthCheckPayload::text>("text", string()).doc("Text."),
                    field<&HealthCheckPayload::type>("type", said_twice(enumeration({"Text", "Binary"})))
                        .required()
                        .doc("Which of the two it is."),
                })
      .with({
          goes_with_type("health-check", "Text", "text"),
          goes_with_type("health-check", "Binary", "binary"),
      });
}

Type http_check() {
  const Type statuses = list(integer().range(100, 599));
  return object({
                    field<&HTTPHealthCheck::expected_response>("expectedResponse", payload())
                        .doc("What the body must contain."),
                    field<&HTTPHealthCheck::expected_statuses>("expectedStatuses", statuses)
                        .doc("The statuses of healthy endpoints. By default 200."),
                    field<&HTTPHealthCheck::hostname>("hostname", precise_hostname())
                        .doc("The host of the request."),
                    field<&HTTPHealthCheck::method>("method", string().max_length(16))
                        .doc("The method of the request. By default `GET`."),
                    field<&HTTPHealthCheck::path>("path", string().length(1, 1024))
                        .required()
                        .doc("The path of the request."),
                    field<&HTTPHealthCheck::request_body>("requestBody", payload())
                        .doc("The body of the request."),
                    field<&HTTPHealthCheck::retriable_statuses>("retriableStatuses", statuses)
                        .doc("The statuses that only count after as many failures as `unhealthyThreshold`."),
                })
      .with({.name = "health-check",
             .cel =
                 "!has(self.requestBody) || (has(self.method) && self.method.upperAscii() in ['POST','PUT'])",
             .message = "`requestBody` needs the method `POST` or `PUT`",
             .blame = "requestBody"});
}

Type active() {
  const Type tcp = object({
      field<&TCPHealthCheck::receive>("receive", payload()).doc("What must come back."),
      field<&TCPHealthCheck::send>("send", payload()).doc("What is sent."),
  });
  return object({
                    flattened("grpc", object({field<&ActiveHealthCheck::grpc_service>("service", string())
                                                  .doc("The service to ask about.")}))
                        .doc("Settings of checks by gRPC's health service."),
                    field<&ActiveHealthCheck::health_check_log>("healthCheckLog", health_check_log())
                        .doc("The log of these checks."),
                    field<&ActiveHealthCheck::healthy_threshold>("healthyThreshold", int32().at_least(1))
                        .defaults_to(1)
                        .doc("How many successes in a row it takes to be healthy."),
                    field<&ActiveHealthCheck::http>("http", http_check()).doc("Settings of checks by HTTP."),
                    field<&ActiveHealthCheck::initial_jitter>("initialJitter", gateway_duration())
                        .doc("How long the first check waits at most."),
                    field<&ActiveHealthCheck::interval>("interval", gateway_duration())
                        .defaults_to("3s")
                        .doc("How often endpoints are checked."),
                    flattened("overrides",
                              object({field<&ActiveHealthCheck::overrides_port>("port", port_number())}))
                        .doc("What of the endpoint is another for checks."),
                    field<&ActiveHealthCheck::tcp>("tcp", tcp).doc("Settings of checks by TCP."),
                    field<&ActiveHealthCheck::timeout>("timeout", gateway_duration())
                        .defaults_to("1s")
                        .doc("How long a check may take."),
                    field<&ActiveHealthCheck::type>("type", said_twice(enumeration({"HTTP", "TCP", "GRPC"})))
                        .required()
                        .doc("How endpoints are checked."),
                    field<&ActiveHealthCheck::unhealthy_threshold>("unhealthyThreshold", int32().at_least(1))
                        .defaults_to(3)
                        .doc("How many failures in a row it takes to be unhealthy."),
                })
      .with({
          goes_with_type("health-check", "HTTP", "http"),
          goes_with_type("health-check", "TCP", "tcp"),
          {.name = "health-check",
           .cel = "has(self.grpc) ? self.type == 'GRPC' : true",
           .message = "`grpc` goes with the type `GRPC` only",
           .blame = "grpc"},
      });
}

Type passive() {
  return object({
      field<&PassiveHealthCheck::always_eject_one_endpoint>("alwaysEjectOneEndpoint", boolean())
          .defaults_to(false)
          .doc("Whether one may be left out whatever `maxEjectionPercent` says."),
      field<&PassiveHealthCheck::base_ejection_time>("baseEjectionTime", gateway_duration())
          .defaults_to("30s")
          .doc("How long an endpoint is left out, times how often it has been."),
      field<&PassiveHealthCheck::consecutive_5xx_errors>("consecutive5XxErrors", int32())
          .defaults_to(5)
          .doc("How many 5xx in a row it takes."),
      field<&PassiveHealthCheck::consecutive_gateway_errors>("consecutiveGatewayErrors", int32())
          .doc("How many 502, 503 and 504 in a row it takes."),
      field<&PassiveHealthCheck::consecutive_local_origin_failures>("consecutiveLocalOriginFailures", int32())
          .defaults_to(5)
          .doc("How many failures to connect in a row it takes, where these count apart."),
      field<&PassiveHealthCheck::failure_percentage_threshold>("failurePercentageThreshold", percentage())
          .doc("How many failures of a hundred it takes."),
      field<&PassiveHealthCheck::interval>("interval", gateway_duration())
          .defaults_to("3s")
          .doc("How often it is judged."),
      field<&PassiveHealthCheck::max_ejection_percent>("maxEjectionPercent", percentage())
          .defaults_to(10)
          .doc("How many endpoints of a hundred may be left out."),
      field<&PassiveHealthCheck::split_external_local_origin_errors>("splitExternalLocalOriginErrors",
                                                                     boolean())
          .defaults_to(false)
          .doc("Whether failures to connect count apart from answers."),
  });
}

}  // namespace

Type health_check_log() {
  const Type events = list(enumeration({"Failure", "FailureSeriesStart", "Success", "HealthyTransition"}))
                          .max_items(4)
                          .as_set()
                          .with({.name = "health-check",
                                 .cel = "self.exists(e, e == 'Failure' || e == 'FailureSeriesStart') == "
                                        "self.exists(e, e == 'Success' || e == 'HealthyTransition')",
                                 .message = "failures and successes can only be logged together",
                                 .suggestion = "name one of each"});
  const Type sink =
      object({
                 flattened("file", object({field<&HealthCheckLogSink::path>("path", string().min_length(1))
                                               .required()
                                               .doc("The path of the file, such as `/dev/stdout`.")}))
                     .doc("A file that takes the log."),
                 field<&HealthCheckLogSink::type>("type", enumeration({"File"}))
                     .required()
                     .doc("Where the log goes."),
             })
          .with(goes_with_type("health-check", "File", "file"));
  return object({
      field<&HealthCheckLog::matches>("matches", events).doc("What is logged. By default all."),
      field<&HealthCheckLog::sinks>("sinks", list(sink).max_items(1))
          .doc("Where the log goes. By default to standard output."),
  });
}

Type health_check() {
  return object({
      field<&HealthCheck::active>("active", active()).doc("Asks endpoints whether they are well."),
      field<&HealthCheck::panic_threshold>("panicThreshold", percentage())
          .doc("Below how many healthy endpoints of a hundred the unhealthy ones are used, too."),
      field<&HealthCheck::passive>("passive", passive()).doc("Judges endpoints by how they answer requests."),
  });
}

}  // namespace sluice::api

#include "api/envoy_gateway/cluster_settings.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// Text or bytes, to send or to expect.
Type payload() {
  return object({
                    field("binary", string().formatted("byte")).doc("Bytes, in base64."),
                    field("text", string()).doc("Text."),
                    field("type", said_twice(enumeration({"Text", "Binary"})))
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
  return object(
             {
                 field("expectedResponse", payload()).doc("What the body must contain."),
                 field("expectedStatuses", statuses)
                     .doc("The statuses of healthy endpoints. By default 200."),
                 field("hostname", precise_hostname()).doc("The host of the request."),
                 field("method", string().max_length(16)).doc("The method of the request. By default `GET`."),
                 field("path", string().length(1, 1024)).required().doc("The path of the request."),
                 field("requestBody", payload()).doc("The body of the request."),
                 field("retriableStatuses", statuses)
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
      field("receive", payload()).doc("What must come back."),
      field("send", payload()).doc("What is sent."),
  });
  return object({
                    field("grpc", object({field("service", string()).doc("The service to ask about.")}))
                        .doc("Settings of checks by gRPC's health service."),
                    field("healthCheckLog", health_check_log()).doc("The log of these checks."),
                    field("healthyThreshold", int32().at_least(1))
                        .defaults_to(1)
                        .doc("How many successes in a row it takes to be healthy."),
                    field("http", http_check()).doc("Settings of checks by HTTP."),
                    field("initialJitter", gateway_duration()).doc("How long the first check waits at most."),
                    field("interval", gateway_duration())
                        .defaults_to("3s")
                        .doc("How often endpoints are checked."),
                    field("overrides", object({field("port", port_number())}))
                        .doc("What of the endpoint is another for checks."),
                    field("tcp", tcp).doc("Settings of checks by TCP."),
                    field("timeout", gateway_duration()).defaults_to("1s").doc("How long a check may take."),
                    field("type", said_twice(enumeration({"HTTP", "TCP", "GRPC"})))
                        .required()
                        .doc("How endpoints are checked."),
                    field("unhealthyThreshold", int32().at_least(1))
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
      field("alwaysEjectOneEndpoint", boolean())
          .defaults_to(false)
          .doc("Whether one may be left out whatever `maxEjectionPercent` says."),
      field("baseEjectionTime", gateway_duration())
          .defaults_to("30s")
          .doc("How long an endpoint is left out, times how often it has been."),
      field("consecutive5XxErrors", int32()).defaults_to(5).doc("How many 5xx in a row it takes."),
      field("consecutiveGatewayErrors", int32()).doc("How many 502, 503 and 504 in a row it takes."),
      field("consecutiveLocalOriginFailures", int32())
          .defaults_to(5)
          .doc("How many failures to connect in a row it takes, where these count apart."),
      field("failurePercentageThreshold", percentage()).doc("How many failures of a hundred it takes."),
      field("interval", gateway_duration()).defaults_to("3s").doc("How often it is judged."),
      field("maxEjectionPercent", percentage())
          .defaults_to(10)
          .doc("How many endpoints of a hundred may be left out."),
      field("splitExternalLocalOriginErrors", boolean())
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
                 field("file", object({field("path", string().min_length(1))
                                           .required()
                                           .doc("The path of the file, such as `/dev/stdout`.")}))
                     .doc("A file that takes the log."),
                 field("type", enumeration({"File"})).required().doc("Where the log goes."),
             })
          .with(goes_with_type("health-check", "File", "file"));
  return object({
      field("matches", events).doc("What is logged. By default all."),
      field("sinks", list(sink).max_items(1)).doc("Where the log goes. By default to standard output."),
  });
}

Type health_check() {
  return object({
      field("active", active()).doc("Asks endpoints whether they are well."),
      field("panicThreshold", percentage())
          .doc("Below how many healthy endpoints of a hundred the unhealthy ones are used, too."),
      field("passive", passive()).doc("Judges endpoints by how they answer requests."),
  });
}

}  // namespace sluice::api

#include "xds/access_log.h"

#include <string>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "envoy/config/accesslog/v3/accesslog.pb.h"

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

json rendered(const ir::Listener& listener) {
  return without_choices(as_json(ResourceType::kListener, render_listener(listener)));
}

// The logs of a listener, and those of its requests.
std::pair<json, json> logs_of(const json& listener) {
  const json& manager = listener["defaultFilterChain"]["filters"][0]["typedConfig"];
  return {listener.value("accessLog", json::array()), manager.value("accessLog", json::array())};
}

json expected(const std::string& parity_case) {
  for (const json& proxy : parity(parity_case)) {
    for (const json& listener : proxy["listeners"]) {
      if (listener["name"] == "envoy-gateway/gateway-1/http") return without_choices(listener);
    }
  }
  return {};
}

ir::Listener listener_with(const ir::AccessLogs& logs) {
  return {.name = "http",
          .address = "0.0.0.0",
          .port = 10080,
          .chains = {{.name = "http", .route_table = "http", .stat_prefix = "http", .access_logs = logs}},
          .access_logs = logs};
}

const std::string kText =
    "[%START_TIME%] \"%REQ(:METHOD)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% "
    "%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
    "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\\n\n";

const ir::AccessLog kCollector{
    .sink = ir::LogCollector{
        .call = {.cluster = "accesslog_otel_0_3", .authority = "otel-collector.monitoring.svc.cluster.local"},
        .resource = {{"k8s.cluster.name", "cluster-1"}},
        .body = kText,
        .attributes = {{"k8s.namespace.name", "%ENVIRONMENT(ENVOY_POD_NAMESPACE)%"},
                       {"k8s.pod.name", "%ENVIRONMENT(ENVOY_POD_NAME)%"}}}};

TEST(AccessLog, OfEverySinkAsEnvoyGateway) {
  const json want = expected("envoyproxy-accesslog");
  if (want.is_null()) return;
  const ir::AccessLogs logs{{.sink = ir::LogFile{.text = kText}},
                            {.sink = ir::LogService{.call = {.cluster = "accesslog_als_0_1"},
                                                    .name = "accesslog",
                                                    .request_headers = {"x-client-ip-address"},
                                                    .response_headers = {"cache-control"},
                                                    .response_trailers = {"expires"}}},
                            {.sink = ir::LogService{.call = {.cluster = "accesslog_als_0_2"},
                                                    .name = "envoy-gateway-system/test",
                                                    .of_connections = true}},
                            kCollector};
  EXPECT_EQ(logs_of(rendered(listener_with(logs))), logs_of(want));
}

TEST(AccessLog, OfWhatMatchesAsEnvoyGateway) {
  const json want = expected("envoyproxy-accesslog-cel");
  if (want.is_null()) return;
  ir::AccessLogs logs{{.sink = ir::LogFile{.text = kText}}};
  logs[0].matches = {"response.code >= 400"};
  const auto [unserved, requests] = logs_of(rendered(listener_with(logs)));
  EXPECT_EQ(unserved[0], logs_of(want).first[0]);
  EXPECT_EQ(requests[0], logs_of(want).second[0]);
}

TEST(AccessLog, IsOfThoseWhomTheUserMeans) {
  using Where = ir::AccessLog::Where;
  for (const auto& [where, unserved, requests, attempts] :
       {std::tuple(Where::kServed, 1, 1, 0), std::tuple(Where::kListener, 1, 0, 0),
        std::tuple(Where::kRoute, 0, 1, 0), std::tuple(Where::kUpstream, 0, 0, 1)}) {
    const ir::AccessLogs logs{{.sink = ir::LogFile(), .where = where}};
    const auto count = [&logs](LogOf of) {
      google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog> made;
      fill_access_logs(logs, of, &made);
      return made.size();
    };
    EXPECT_EQ(count(LogOf::kUnserved), unserved) << static_cast<int>(where);
    EXPECT_EQ(count(LogOf::kRequests), requests) << static_cast<int>(where);
    EXPECT_EQ(count(LogOf::kAttempts), attempts) << static_cast<int>(where);
  }
}

}  // namespace
}  // namespace sluice::xds

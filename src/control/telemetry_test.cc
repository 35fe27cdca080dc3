// What an EnvoyProxy has its proxies tell, and whom.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Telemetry : public YamlPipeline {
 protected:
  Telemetry() {
    feed_gateway_with_proxy();
    feed(R"(
apiVersion: v1
kind: Service
metadata: {name: collector, namespace: monitoring}
spec: {ports: [{name: grpc, port: 4317}]}
)");
    feed_slice("10.0.0.1");
  }

  void feed_slice(std::string_view address) {
    feed(fmt::format(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: collector, namespace: monitoring, labels: {{kubernetes.io/service-name: collector}}}}
addressType: IPv4
ports: [{{name: grpc, port: 4317}}]
endpoints: [{{addresses: [{}]}}]
)",
                     address));
  }

  void feed_telemetry(std::string_view telemetry) {
    feed_proxy(fmt::format("telemetry: {{{}}}", telemetry));
    pipeline_.commit();
  }

  const ir::HttpChain& chain() const {
    return pipeline_.sockets().get({"default/gw", "default/gw:8001"})->listener.chains.at(0);
  }
  const translate::SocketRow& socket() const {
    return *pipeline_.sockets().get({"default/gw", "default/gw:8001"});
  }
  // Empty where nothing speaks against it: then it is the status writer that says so.
  std::string accepted(const GroupKind& kind, const NamespacedName& name) const {
    const translate::ObjectStatus& its = *status(kind, name);
    const auto& conditions = its.ancestors.empty() ? its.conditions : its.ancestors.front().second;
    const translate::Condition* its_own = translate::find_condition(conditions, "Accepted");
    return its_own == nullptr ? "" : text({*its_own});
  }
  // "code path", each.
  std::vector<std::string> problems() const {
    std::vector<std::string> all;
    for (const Problem& problem : pipeline_.problems()) all.push_back(problem.code + " " + problem.path);
    return all;
  }
};

constexpr char kCollector[] = "backendRefs: [{name: collector, namespace: monitoring, port: 4317}]";

TEST_F(Telemetry, IsLinesOnStandardOutputWhereNothingIsSaid) {
  feed_telemetry("");
  EXPECT_EQ(chain().access_logs, ir::AccessLogs{ir::AccessLog()});
}

TEST_F(Telemetry, HasNoLogsWhereTheyAreSwitchedOff) {
  feed_telemetry("accessLog: {disable: true}");
  EXPECT_THAT(chain().access_logs, IsEmpty());
}

TEST_F(Telemetry, IsTextWhereAFormatIsTextAndSaysNoType) {
  feed_telemetry(
      "accessLog: {settings: [{format: {text: hello}, sinks: [{type: File, file: {path: /log}}]}]}");
  EXPECT_EQ(chain().access_logs, (ir::AccessLogs{{.sink = ir::LogFile{.path = "/log", .text = "hello"}}}));
}

TEST_F(Telemetry, NamesTheClustersOfThoseWhoAreToldSoThatListenersWaitForThem) {
  feed_telemetry(
      fmt::format("accessLog: {{settings: [{{sinks: [{{type: OpenTelemetry, openTelemetry: {{{}}}}},"
                  " {{type: ALS, als: {{{}, type: HTTP}}}}]}}]}},"
                  "tracing: {{provider: {{type: Zipkin, {}}}}}",
                  kCollector, kCollector, kCollector));
  EXPECT_THAT(socket().clusters, ElementsAre("accesslog_als_0_1", "accesslog_otel_0_0", "tracing"));
  for (const std::string& cluster : socket().clusters) {
    EXPECT_NE(pipeline_.cluster_rows().get({"default/gw", cluster}), nullptr) << cluster;
  }
}

TEST_F(Telemetry, NeedsNoReferenceGrant) {
  feed_telemetry(fmt::format("tracing: {{provider: {{{}}}}}", kCollector));
  EXPECT_TRUE(chain().tracing);
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Telemetry, CallsTracesAfterTheGateway) {
  feed_telemetry(fmt::format("tracing: {{provider: {{{}}}}}", kCollector));
  EXPECT_EQ(chain().tracing->service_name, "gw.default");
}

TEST_F(Telemetry, IsLeftOutWhereNobodyIsThereAndTheGatewayIsServedAllTheSame) {
  feed_telemetry("tracing: {provider: {backendRefs: [{name: nobody, namespace: monitoring, port: 4317}]}}");
  EXPECT_FALSE(chain().tracing);
  EXPECT_EQ(accepted(api::kind_of<api::Gateway>(), {"default", "gw"}), "Accepted=False/InvalidParameters");
  EXPECT_EQ(accepted(api::kind_of<api::EnvoyProxy>(), {"default", "proxy"}),
            "Accepted=False/InvalidParameters");
  EXPECT_THAT(problems(),
              ElementsAre("reference/not-found spec.telemetry.tracing.provider.backendRefs[0].name"));
}

TEST_F(Telemetry, IsMendedWhenTheServiceComes) {
  feed_telemetry("tracing: {provider: {backendRefs: [{name: late, namespace: monitoring, port: 4317}]}}");
  feed(R"(
apiVersion: v1
kind: Service
metadata: {name: late, namespace: monitoring}
spec: {ports: [{port: 4317}]}
)");
  pipeline_.commit();
  EXPECT_TRUE(chain().tracing);
  EXPECT_EQ(accepted(api::kind_of<api::Gateway>(), {"default", "gw"}), "");
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Telemetry, SaysOnceWhatIsWrongForSeveralGateways) {
  feed_gateway_with_proxy("other", 8002);
  feed_telemetry("accessLog: {settings: [{matches: [')+++'], sinks: [{type: File, file: {path: /log}}]}]}");
  EXPECT_THAT(problems(), ElementsAre("value/cel spec.telemetry.accessLog.settings[0].matches[0]"));
}

TEST_F(Telemetry, NamesAFormatThatEnvoyWouldRefuse) {
  feed_telemetry(
      "accessLog: {settings: [{format: {text: '%NOPE%'}, sinks: [{type: File, file: {path: /log}}]}]}");
  EXPECT_THAT(problems(), ElementsAre("value/format spec.telemetry.accessLog.settings[0].format.text"));
}

TEST_F(Telemetry, SaysThatTheNameOfTheServiceIsNothingToZipkin) {
  feed_telemetry(fmt::format("tracing: {{provider: {{type: Zipkin, serviceName: front, {}}}}}", kCollector));
  EXPECT_THAT(problems(), ElementsAre("support/no-effect spec.telemetry.tracing.provider.serviceName"));
}

TEST_F(Telemetry, PutsClustersForMetricsIntoTheBootstrap) {
  feed_telemetry(fmt::format(
      "metrics: {{sinks: [{{type: OpenTelemetry, openTelemetry: {{{}, reportCountersAsDeltas: true}}}}]}}",
      kCollector));
  const ir::Proxy& proxy = pipeline_.proxies().get("default/gw")->proxy;
  ASSERT_EQ(proxy.metrics_sinks.size(), 1u);
  EXPECT_EQ(proxy.metrics_sinks[0].cluster.name, "metrics_otel_0");
  EXPECT_TRUE(proxy.metrics_sinks[0].counter_deltas);
  EXPECT_EQ(proxy.metrics_sinks[0].call.authority, "collector.monitoring.svc");
  EXPECT_NE(pipeline_.resources(xds::ResourceType::kEndpoints).get({"default/gw", "metrics_otel_0"}),
            nullptr);
}

TEST_F(Telemetry, RunsForNoEndpoint) {
  feed_telemetry(fmt::format("tracing: {{provider: {{{}}}}}", kCollector));
  feed_slice("10.0.0.2");
  const flow::CommitStats stats = pipeline_.commit();
  EXPECT_EQ(stats.of("telemetry").runs, 0u);
}

TEST_F(Telemetry, CallsTheClustersOfARuleAsTheUserSays) {
  feed_telemetry("metrics: {clusterStatName: '%ROUTE_KIND%/%ROUTE_NAME%/%ROUTE_RULE_NAME%/%BACKEND_REFS%'}");
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: monitoring}
spec:
  parentRefs: [{name: gw, namespace: default}]
  rules: [{backendRefs: [{name: collector, port: 4317}]}]
)");
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: class
  infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: proxy}}
  listeners: [{name: a, port: 8001, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
)");
  pipeline_.commit();
  std::vector<std::string> names;
  pipeline_.cluster_rows().for_each([&names](const translate::XdsKey&, const translate::ClusterRow& row) {
    names.push_back(row.cluster.stat_name);
  });
  EXPECT_THAT(names, ElementsAre("httproute/web/-/monitoring/collector"));
}

TEST_F(Telemetry, IsMergedIntoThatOfTheClassWhereThatOfTheGatewayAsksForIt) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: class}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: of-class, namespace: system}
)");
  feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: of-class, namespace: system}
spec: {concurrency: 3, telemetry: {accessLog: {disable: true}, metrics: {enableVirtualHostStats: true}}}
)");
  for (const auto& [type, concurrency] : {std::pair("Replace", std::optional<std::uint32_t>()),
                                          std::pair("JSONMerge", std::optional<std::uint32_t>(3)),
                                          std::pair("StrategicMerge", std::optional<std::uint32_t>(3))}) {
    feed_proxy(fmt::format("mergeType: {}, telemetry: {{accessLog: {{disable: false}}}}", type));
    pipeline_.commit();
    EXPECT_EQ(pipeline_.proxies().get("default/gw")->proxy.concurrency, concurrency) << type;
    EXPECT_EQ(chain().access_logs, ir::AccessLogs{ir::AccessLog()}) << type;
  }
}

TEST_F(Telemetry, RefusesAnOperatorThatThereIsNot) {
  feed_telemetry("metrics: {clusterStatName: '%ROUTE%'}");
  EXPECT_THAT(problems(), ElementsAre("value/format spec.telemetry.metrics.clusterStatName"));
}

}  // namespace
}  // namespace sluice::control

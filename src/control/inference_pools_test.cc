// InferencePools in the whole pipeline: what a change of a pod costs, what statuses say, what our own picker
// is told.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/picker_plan.h"
#include "control/testing.h"

namespace sluice::control {
namespace {

using Runs = std::map<std::string, unsigned, std::less<>>;

class InferencePools : public YamlPipeline {
 protected:
  explicit InferencePools(translate::Settings with = settings()) : YamlPipeline(std::move(with)) {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: class, listeners: [{name: http, protocol: HTTP, port: 80}]}
)");
    feed_pod("one", "10.0.0.1");
    feed_pool("");
    feed_route("[{group: inference.networking.k8s.io, kind: InferencePool, name: llama}]");
    commit();
  }

  void feed_pod(std::string_view name, std::string_view ip) {
    feed(
        fmt::format("{{apiVersion: v1, kind: Pod, metadata: {{name: {}, labels: {{app: llama}}}}, status: "
                    "{{podIP: {}}}}}",
                    name, ip));
  }
  void feed_pool(std::string_view more, std::string_view annotations = "{}") {
    feed(fmt::format(R"(
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {{name: llama, annotations: {}}}
spec: {{selector: {{matchLabels: {{app: llama}}}}, targetPorts: [{{number: 8000}}]{}}}
)",
                     annotations, more));
  }
  void feed_route(std::string_view backends) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: chat}}
spec: {{parentRefs: [{{name: gw}}], rules: [{{backendRefs: {}}}]}}
)",
                     backends));
  }

  Runs commit() {
    Runs runs;
    for (const flow::StageStats& stage : pipeline_.commit().stages) {
      if (stage.runs != 0) runs.emplace(stage.name, stage.runs);
    }
    return runs;
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> texts;
    for (const Problem& p : pipeline_.problems()) {
      texts.push_back(
          fmt::format("{} {}: {} ({}) [{}]", p.object.to_string(), p.path, p.message, p.suggestion, p.code));
    }
    return texts;
  }

  const translate::RouteResult& route() const {
    return *pipeline_.routes().get({.kind = api::kind_of<api::HTTPRoute>(), .name = {"default", "chat"}});
  }
  // What becomes of requests, by share: "cluster (picker)", "503".
  std::string actions() const {
    std::string text;
    for (const ir::Route& made : *route().contributions.at(0).second.routes) {
      if (!text.empty()) text += ", ";
      if (const auto* answer = std::get_if<ir::DirectResponse>(&made.action->action)) {
        text += fmt::format("{}", answer->status);
        continue;
      }
      text += std::get<ir::Forward>(made.action->action).clusters.at(0).cluster;
      if (made.action->extensions) text += fmt::format(" ({})", made.action->extensions->at(0).name);
    }
    return text;
  }
  const translate::ClusterRow* cluster(std::string_view name) const {
    return pipeline_.cluster_rows().get({.proxy = "default/gw", .name = std::string(name)});
  }
  const ir::EndpointPicker& picker() const {
    return std::get<ir::EndpointPicker>(route().extensions.at(0).second->filter);
  }
  const translate::PickerPlan* plan() const { return pipeline_.pickers().get({"default", "llama"}); }
  std::string pool_status() const {
    const auto* of_pool = status(api::kind_of<api::InferencePool>(), {"default", "llama"});
    std::string out;
    if (of_pool == nullptr) return out;
    for (const auto& [parent, conditions] : of_pool->parents) {
      out += fmt::format("{}/{}: {}", parent.namespace_.value_or(""), parent.name, text(conditions));
    }
    return out;
  }
};

// A ConfigMap, which pools name by an annotation.
constexpr std::string_view kByDecide = "{sluice.dev/picker-config: decide}";
constexpr std::string_view kQueueScorer = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: decide}
data:
  config.yaml: |
    apiVersion: llm-d.ai/v1alpha1
    kind: EndpointPickerConfig
    plugins:
    - type: queue-scorer
)";

class WithoutTheModule : public InferencePools {
 protected:
  WithoutTheModule()
      : InferencePools([] {
          translate::Settings with = settings();
          with.picker_module.clear();
          return with;
        }()) {}
};

// Where Envoys run in a cluster.
class InACluster : public InferencePools {
 protected:
  InACluster()
      : InferencePools([] {
          translate::Settings with = settings();
          with.on_host = false;
          with.module_server = "http://sluice.example:18002";
          with.picker_module_sha256 = std::string(64, 'a');
          return with;
        }()) {
    feed("{apiVersion: v1, kind: Namespace, metadata: {name: default}}");
    commit();
  }

  static constexpr const char* kFilter =
      "envoy.filters.http.ext_proc.endpoint_picker/default/llama/aaaaaaaaaaaa";
  // The configuration of the module that the proxy is sent.
  nlohmann::json sent() const {
    const Rendered* row =
        pipeline_.resources(xds::ResourceType::kExtension).get({.proxy = "default/gw", .name = kFilter});
    if (row == nullptr) return nullptr;
    const auto resource = nlohmann::json::parse(xds::to_json(xds::ResourceType::kExtension, *row->bytes));
    return nlohmann::json::parse(resource["typedConfig"]["filterConfig"]["value"].get<std::string>());
  }
};

constexpr std::string_view kPicker = "envoy.filters.http.ext_proc.endpoint_picker/default/llama";
const GroupKind& kObjective = api::kind_of<api::InferenceObjective>();

TEST_F(InferencePools, RequestsAskThePickerAndGoToThePool) {
  EXPECT_EQ(actions(), fmt::format("pool/default/llama ({})", kPicker));
  EXPECT_TRUE(picker().fail_open);
  EXPECT_FALSE(picker().streamed);
  ASSERT_NE(cluster("pool/default/llama"), nullptr);
  EXPECT_TRUE(cluster("pool/default/llama")->cluster.settings->load_balancing->picked);
  ASSERT_NE(cluster("picker/default/llama"), nullptr);
  EXPECT_EQ(cluster("picker/default/llama")->fixed.at(0).endpoints.at(0).unix_path, plan()->socket);
  EXPECT_EQ(pool_status(), "default/gw: Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs");
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(InferencePools, APodCostsOneChangeOfEndpointsAndRunsNoRoute) {
  feed_pod("two", "10.0.0.2");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_FALSE(runs.contains("clusters"));
  EXPECT_EQ(runs.at("endpoints of pools"), 1U);
  EXPECT_EQ(runs.at("endpoints"), 1U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kEndpoints).changes().size(), 1U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kCluster).changes().size(), 0U);
  EXPECT_EQ(plan()->servers.size(), 2U);
  EXPECT_EQ(plan()->servers.at(1).address, "10.0.0.2:8000");
}

TEST_F(InferencePools, APodThatIsBeingDeletedLeavesEndpointsAndPickerAndRunsNoRoute) {
  feed_pod("two", "10.0.0.2");
  commit();
  feed(
      "{apiVersion: v1, kind: Pod, metadata: {name: two, labels: {app: llama}, deletionTimestamp: "
      "'2026-01-01T00:00:30Z'}, status: {podIP: 10.0.0.2, conditions: [{type: Ready, status: 'True'}]}}");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kEndpoints).changes().size(), 1U);
  ASSERT_EQ(plan()->servers.size(), 1U);
  EXPECT_EQ(plan()->servers.at(0).address, "10.0.0.1:8000");
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(InferencePools, APodOfAnotherPoolCostsNothing) {
  feed(
      "{apiVersion: v1, kind: Pod, metadata: {name: other, labels: {app: other}}, status: {podIP: "
      "10.0.0.9}}");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("endpoints of pools"));
  EXPECT_FALSE(runs.contains("pickers"));
}

TEST_F(InferencePools, ThatNoPodIsReadyIsToldAndThePickerAnswers) {
  feed("{apiVersion: v1, kind: Pod, metadata: {name: one, labels: {app: llama}}, status: {}}");
  commit();
  EXPECT_EQ(actions(), fmt::format("pool/default/llama ({})", kPicker));
  EXPECT_TRUE(plan()->servers.empty());
  const auto* of_route = status(api::kind_of<api::HTTPRoute>(), {"default", "chat"});
  EXPECT_EQ(
      text(of_route->parents.at(0).second),
      "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs BackendsAvailable=False/EndpointsNotFound");
}

TEST_F(InferencePools, APoolThatNobodySendsToHasNoPickerAndNoParents) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}");
  feed_route("[{name: web, port: 80}]");
  commit();
  EXPECT_EQ(plan(), nullptr);
  EXPECT_EQ(pool_status(), "");
}

TEST_F(InferencePools, APickerOfItsOwnIsAskedByTls) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9002}}");
  commit();
  EXPECT_EQ(plan(), nullptr);
  EXPECT_FALSE(picker().fail_open);
  EXPECT_TRUE(picker().streamed);
  EXPECT_EQ(picker().authority, "epp.default:9002");
  const ir::Cluster& asked = cluster("picker/default/llama")->cluster;
  EXPECT_EQ(asked.protocol, ir::UpstreamProtocol::kHttp2);
  ASSERT_TRUE(asked.tls.has_value());
  EXPECT_EQ(asked.tls->validation_secret, "");
  EXPECT_EQ(asked.tls->alpn, std::vector<std::string>{"h2"});

  feed(
      "{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002, appProtocol: "
      "kubernetes.io/h2c}]}}");
  commit();
  EXPECT_FALSE(cluster("picker/default/llama")->cluster.tls.has_value());
}

TEST_F(InferencePools, ByAnAnnotationThePickerIsInsideEnvoy) {
  feed_pool("", "{sluice.dev/picker: inside-envoy}");
  commit();
  EXPECT_EQ(actions(), fmt::format("pool/default/llama ({})", kPicker));
  EXPECT_EQ(picker().module, "libsluice_picker.so");
  EXPECT_EQ(plan()->socket, "");
  EXPECT_EQ(picker().config, fmt::format(R"({{"pool":"default/llama","poolFile":"{}"}})", plan()->file));
  EXPECT_TRUE(cluster("pool/default/llama")->cluster.settings->load_balancing->picked);
  EXPECT_EQ(cluster("picker/default/llama"), nullptr);
  EXPECT_EQ(problems(), std::vector<std::string>());

  feed_pod("two", "10.0.0.2");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).changes().size(), 0U);
  EXPECT_EQ(plan()->servers.size(), 2U);
}

TEST_F(InACluster, ThePickerIsInsideEnvoyWhichFetchesTheModule) {
  EXPECT_EQ(actions(), fmt::format("pool/default/llama ({})", kFilter));
  EXPECT_TRUE(picker().discovered);
  EXPECT_EQ(picker().uri, fmt::format("http://sluice.example:18002/{}.so", std::string(64, 'a')));
  EXPECT_NE(cluster(picker().uri_cluster), nullptr);
  EXPECT_EQ(cluster("picker/default/llama"), nullptr);
  EXPECT_EQ(plan()->socket, "");
  EXPECT_EQ(plan()->file, "");
  EXPECT_EQ(sent()["pool"], "default/llama");
  EXPECT_EQ(sent()["contents"]["servers"].size(), 1U);
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(InACluster, APodCostsItsEndpointsAndWhatThePickerIsToldAndNoListener) {
  feed_pod("two", "10.0.0.2");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).changes().size(), 0U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kRoutes).changes().size(), 0U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kCluster).changes().size(), 0U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kEndpoints).changes().size(), 1U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kExtension).changes().size(), 1U);
  EXPECT_EQ(sent()["contents"]["servers"][1]["address"], "10.0.0.2:8000");
}

TEST_F(InACluster, AConfigThatIsNoGoodLeavesTheOneThatThePickerHas) {
  feed(kQueueScorer);
  feed_pool("", kByDecide);
  commit();
  EXPECT_EQ(sent()["contents"]["config"]["kind"], "EndpointPickerConfig");
  feed("{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {config.yaml: 'kind: Nothing'}}");
  commit();
  EXPECT_EQ(sent()["contents"]["keepConfig"], true);
  EXPECT_FALSE(sent()["contents"].contains("config"));
}

TEST_F(InACluster, AHomeBesideEnvoyIsToldToBeNone) {
  feed_pool("", "{sluice.dev/picker: beside-envoy}");
  commit();
  EXPECT_EQ(problems(),
            std::vector<std::string>{
                "InferencePool default/llama metadata.annotations[sluice.dev/picker]: Envoys in a "
                "cluster have nothing of sluice beside them: the picker is inside (for one outside "
                "run `sluice picker` and name its Service in `endpointPickerRef`) "
                "[support/picker-home]"});
  EXPECT_EQ(sent()["contents"]["servers"].size(), 1U);
}

TEST_F(InACluster, APickerThatThePoolNamesIsAskedThere) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9002}}");
  commit();
  EXPECT_FALSE(picker().is_inside());
  EXPECT_NE(cluster("picker/default/llama"), nullptr);
  EXPECT_EQ(sent(), nullptr);
}

TEST_F(InferencePools, AHomeThatIsNoneIsTold) {
  feed_pool("", "{sluice.dev/picker: inside-envy}");
  commit();
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "InferencePool default/llama metadata.annotations[sluice.dev/picker]: "
                            "`inside-envy` is no place for a picker: it stays beside Envoy (did you mean "
                            "`inside-envoy`?) [value/picker-home]"});
  EXPECT_EQ(plan()->file, "");
  EXPECT_EQ(picker().module, "");

  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9002}}", "{sluice.dev/picker: inside-envoy}");
  commit();
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "InferencePool default/llama metadata.annotations[sluice.dev/picker]: the pool "
                            "has a picker of its own: where ours would be does not matter (remove the "
                            "annotation, or `endpointPickerRef`) [support/no-effect]"});
}

TEST_F(InferencePools, AConfigOfTheirsIsForThePickerAndNoRouteRuns) {
  EXPECT_EQ(plan()->config, "");
  feed(kQueueScorer);
  feed_pool("", kByDecide);
  commit();
  EXPECT_EQ(plan()->config,
            R"({"apiVersion":"llm-d.ai/v1alpha1","kind":"EndpointPickerConfig","plugins":[{"type":)"
            R"("queue-scorer"}]})");
  EXPECT_EQ(problems(), std::vector<std::string>());

  feed(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {c: '{apiVersion: "
      "llm-d.ai/v1alpha1, "
      "kind: EndpointPickerConfig, plugins: [{type: running-requests-size-scorer}]}'}}");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_EQ(runs.at("pickers"), 1U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).changes().size(), 0U);
  EXPECT_EQ(plan()->config,
            R"({"apiVersion":"llm-d.ai/v1alpha1","kind":"EndpointPickerConfig","plugins":[{"type":)"
            R"("running-requests-size-scorer"}]})");
  feed_pool("");
  commit();
  EXPECT_EQ(plan()->config, "");
}

TEST_F(InferencePools, AConfigThatIsNoGoodIsAProblemInItsText) {
  feed_pool("", kByDecide);
  feed(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {c: '{apiVersion: "
      "llm-d.ai/v1alpha1, "
      "kind: EndpointPickerConfig, plugins: [{type: queue-scorr}]}'}}");
  commit();
  EXPECT_EQ(plan()->config, std::nullopt);
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "ConfigMap default/decide data[c].plugins[0].type: there is no plugin of "
                            "type `queue-scorr` (did you mean `queue-scorer`?) [reference/plugin]"});
  feed("{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {c: \"a: b\\n{\"}}");
  commit();
  EXPECT_EQ(plan()->config, std::nullopt);
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_TRUE(problems().at(0).starts_with("ConfigMap default/decide data[c]: ")) << problems().at(0);
  EXPECT_TRUE(problems().at(0).contains(", in line 2 of `c`")) << problems().at(0);
}

TEST_F(InferencePools, AConfigThatIsNotThereIsAProblemOfThePool) {
  struct Row {
    std::string_view map;
    std::string_view problem;
  };
  for (const Row& row :
       {Row{"{apiVersion: v1, kind: ConfigMap, metadata: {name: decides}, data: {c: ''}}",
            "there is no ConfigMap default/decide (did you mean `decides`?) [reference/not-found]"},
        Row{"{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}}",
            "ConfigMap default/decide has no key (put the EndpointPickerConfig under a key, as "
            "`config.yaml`) "
            "[reference/key]"},
        Row{"{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {a: '', b: ''}}",
            "ConfigMap default/decide has more than one key (leave the one with the EndpointPickerConfig: it "
            "has `a` and `b`) [reference/key]"}}) {
    feed(row.map);
    feed_pool("", kByDecide);
    commit();
    EXPECT_EQ(plan()->config, std::nullopt);
    EXPECT_EQ(
        problems(),
        std::vector<std::string>{fmt::format(
            "InferencePool default/llama metadata.annotations[sluice.dev/picker-config]: {}", row.problem)});
  }
}

TEST_F(InferencePools, APickerSeesWhatItsConfigNeedsOfAnswersAndItsRouteSaysSo) {
  const auto shown = [this] {
    const ir::Route& made = route().contributions.at(0).second.routes->front();
    return made.action->extensions->at(0).answers;
  };
  EXPECT_EQ(shown(), ir::AnswersShown::kAll);
  feed(kQueueScorer);
  feed_pool("", kByDecide);
  commit();
  EXPECT_EQ(shown(), ir::AnswersShown::kHeaders);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).changes().size(), 0U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kRoutes).changes().size(), 1U);

  const auto decide = [this](std::string_view plugin) {
    feed(fmt::format(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: decide}}, data: {{c: '{{apiVersion: "
        "llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [{{type: {}}}]}}'}}}}",
        plugin));
    commit();
  };
  decide("prefix-cache-scorer");
  EXPECT_EQ(shown(), ir::AnswersShown::kNone);
  decide("token-load-scorer");
  EXPECT_EQ(shown(), ir::AnswersShown::kAll);
  decide("no-such-scorer");
  EXPECT_EQ(shown(), ir::AnswersShown::kAll);
}

TEST_F(InferencePools, ByAnAnnotationAPickerSeesHeadersOfAnswersAlone) {
  const auto use = [this] {
    return route().contributions.at(0).second.routes->front().action->extensions->at(0);
  };
  feed_pool("", "{sluice.dev/picker-answers: headers}");
  commit();
  EXPECT_EQ(use().answers, ir::AnswersShown::kHeaders);
  EXPECT_FALSE(use().streamed);
  EXPECT_FALSE(plan()->reads_answers);
  EXPECT_EQ(problems(), std::vector<std::string>());

  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9002}}", "{sluice.dev/picker-answers: headers}");
  commit();
  EXPECT_EQ(use().answers, ir::AnswersShown::kHeaders);
  EXPECT_TRUE(use().streamed);
  EXPECT_EQ(problems(), std::vector<std::string>());

  feed_pool("", "{sluice.dev/picker-answers: header}");
  commit();
  EXPECT_EQ(use().answers, ir::AnswersShown::kAll);
  EXPECT_EQ(problems(),
            std::vector<std::string>{
                "InferencePool default/llama metadata.annotations[sluice.dev/picker-answers]: `header` is "
                "nothing to see of answers: the picker sees as much as it needs (did you mean `headers`?) "
                "[value/picker-answers]"});
}

TEST_F(InferencePools, ByAnAnnotationMetricsAreElsewhereUnlessTheConfigSaysWhere) {
  feed_pool("", "{sluice.dev/picker-metrics: 'https://:8002/m'}");
  commit();
  EXPECT_EQ(plan()->metrics, "https://:8002/m");
  EXPECT_EQ(sources_of(*plan(), config_of(*plan()->config)).metrics,
            (picker::Source{.tls = true, .port = 8002, .path = "/m"}));
  EXPECT_EQ(problems(), std::vector<std::string>());

  feed(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {c: '{apiVersion: "
      "llm-d.ai/v1alpha1, "
      "kind: EndpointPickerConfig, plugins: [{type: metrics-data-source, parameters: {port: 9000}}]}'}}");
  feed_pool("", "{sluice.dev/picker-config: decide, sluice.dev/picker-metrics: ':8002'}");
  commit();
  EXPECT_EQ(sources_of(*plan(), config_of(*plan()->config)).metrics,
            (picker::Source{.port = 9000, .path = "/metrics"}));
  EXPECT_EQ(
      problems(),
      std::vector<std::string>{
          "InferencePool default/llama metadata.annotations[sluice.dev/picker-metrics]: the pool's config "
          "says where metrics are, by its `metrics-data-source` (remove the annotation, or the plugin) "
          "[support/no-effect]"});

  feed_pool("", "{sluice.dev/picker-metrics: 'prometheus'}");
  commit();
  EXPECT_EQ(plan()->metrics, "");
  EXPECT_EQ(
      problems(),
      std::vector<std::string>{
          "InferencePool default/llama metadata.annotations[sluice.dev/picker-metrics]: `prometheus` is no "
          "place to ask for metrics: they are asked for at `/metrics` (write a path, a port or both, as "
          "`/prometheus/metrics`, `:8002` or `https://:8443/metrics`) [value/metrics-source]"});
}

TEST_F(InferencePools, APickerOfItsOwnIsToldNoConfig) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9002}}", kByDecide);
  commit();
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "InferencePool default/llama metadata.annotations[sluice.dev/picker-config]: the "
                            "pool has a picker of its own, which is not told how to decide (remove the "
                            "annotation, or `endpointPickerRef`) [support/no-effect]"});
}

TEST_F(WithoutTheModule, ThePickerStaysBesideEnvoy) {
  feed_pool("", "{sluice.dev/picker: inside-envoy}");
  commit();
  EXPECT_EQ(problems(),
            std::vector<std::string>{
                "InferencePool default/llama metadata.annotations[sluice.dev/picker]: there is no "
                "libsluice_picker.so beside this sluice: the picker stays beside Envoy (build it "
                "with `make build`, or copy it to the folder of the program) "
                "[support/picker-module]"});
  EXPECT_EQ(plan()->file, "");
  EXPECT_NE(plan()->socket, "");
  EXPECT_NE(cluster("picker/default/llama"), nullptr);
}

TEST_F(InferencePools, APickerThatIsNotThereIsTheProblemOfThePool) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: eppp, port: {number: 9002}}");
  commit();
  EXPECT_EQ(problems(),
            std::vector<std::string>{"InferencePool default/llama spec.endpointPickerRef.name: there is no "
                                     "Service default/eppp (did you mean `epp`?) [reference/not-found]"});
  EXPECT_EQ(pool_status(), "default/gw: Accepted=True/Accepted ResolvedRefs=False/InvalidExtensionRef");
  EXPECT_EQ(actions(), "503");

  feed_pool(", endpointPickerRef: {name: eppp, port: {number: 9002}, failureMode: FailOpen}");
  commit();
  EXPECT_EQ(actions(), "pool/default/llama");
  EXPECT_FALSE(cluster("pool/default/llama")->cluster.settings->load_balancing.has_value());
}

TEST_F(InferencePools, APortThatThePickerDoesNotHaveIsTold) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9003}}");
  commit();
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "InferencePool default/llama spec.endpointPickerRef.port.number: Service "
                            "default/epp has no TCP port 9003 (it has 9002/TCP) [reference/port]"});
}

TEST_F(InferencePools, SharesOfARuleAskThePickersOfTheirPools) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}");
  feed_route(
      "[{group: inference.networking.k8s.io, kind: InferencePool, name: llama, weight: 9}, {name: web, port: "
      "80}]");
  commit();
  EXPECT_EQ(actions(), fmt::format("pool/default/llama ({}), service/default/web:80", kPicker));
}

TEST_F(InferencePools, AMissingPoolIsARouteWithoutIts) {
  feed_route("[{group: inference.networking.k8s.io, kind: InferencePool, name: lama}]");
  commit();
  EXPECT_EQ(problems(),
            std::vector<std::string>{"HTTPRoute default/chat spec.rules[0].backendRefs[0].name: there is no "
                                     "InferencePool default/lama (did you mean `llama`?) "
                                     "[reference/not-found]"});
  const auto* of_route = status(api::kind_of<api::HTTPRoute>(), {"default", "chat"});
  EXPECT_EQ(text(of_route->parents.at(0).second),
            "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound");
}

TEST_F(InferencePools, ThePortOfAReferenceHasNoEffect) {
  feed_route("[{group: inference.networking.k8s.io, kind: InferencePool, name: llama, port: 8000}]");
  commit();
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "HTTPRoute default/chat spec.rules[0].backendRefs[0].port: the ports of an "
                            "InferencePool are its `targetPorts` (remove `port`) [support/no-effect]"});
}

TEST_F(InferencePools, APoolOfAnotherNamespaceNeedsAGrant) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: chat, namespace: apps}
spec:
  parentRefs: [{name: gw, namespace: default}]
  rules: [{backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: llama, namespace: default}]}]
)");
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: class
  listeners: [{name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]
)");
  commit();
  const auto* of_route = status(api::kind_of<api::HTTPRoute>(), {"apps", "chat"});
  EXPECT_EQ(
      text(of_route->parents.at(0).second),
      "Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted RouteRulesOverlap=True/RouteRulesOverlap");
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: chat}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}]
  to: [{group: inference.networking.k8s.io, kind: InferencePool}]
)");
  commit();
  EXPECT_EQ(text(status(api::kind_of<api::HTTPRoute>(), {"apps", "chat"})->parents.at(0).second),
            "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs RouteRulesOverlap=True/RouteRulesOverlap");
}

TEST_F(InferencePools, ObjectivesAndRewritesAreForThePicker) {
  feed(
      "{apiVersion: llm-d.ai/v1alpha2, kind: InferenceObjective, metadata: {name: batch}, spec: {poolRef: "
      "{name: llama}, "
      "priority: -1}}");
  feed(
      "{apiVersion: llm-d.ai/v1alpha2, kind: InferenceModelRewrite, metadata: {name: canary}, spec: "
      "{poolRef: {name: "
      "llama}, rules: [{matches: [{model: {value: chat}}], targets: [{modelRewrite: llama-2, weight: 9}, "
      "{modelRewrite: llama-3, weight: 1}]}]}}");
  Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_EQ(plan()->priorities, (std::map<std::string, int, std::less<>>{{"batch", -1}}));
  ASSERT_EQ(plan()->rewrites.size(), 1U);
  EXPECT_EQ(plan()->rewrites.at(0).targets.at(1).model, "llama-3");
  EXPECT_EQ(text(status(kObjective, {"default", "batch"})->conditions), "Accepted=True/Accepted");

  feed(
      "{apiVersion: llm-d.ai/v1alpha2, kind: InferenceObjective, metadata: {name: batch}, spec: {poolRef: "
      "{name: lama}}}");
  commit();
  EXPECT_TRUE(plan()->priorities.empty());
  EXPECT_EQ(text(status(kObjective, {"default", "batch"})->conditions), "Accepted=False/PoolNotFound");
  EXPECT_EQ(problems(),
            std::vector<std::string>{"InferenceObjective default/batch spec.poolRef.name: there is no "
                                     "InferencePool default/lama (did you mean `llama`?) "
                                     "[reference/not-found]"});
}

TEST_F(InferencePools, WithAnotherPickerAnObjectiveHasNoEffectHere) {
  feed("{apiVersion: v1, kind: Service, metadata: {name: epp}, spec: {ports: [{port: 9002}]}}");
  feed_pool(", endpointPickerRef: {name: epp, port: {number: 9002}}");
  feed(
      "{apiVersion: llm-d.ai/v1alpha2, kind: InferenceObjective, metadata: {name: batch}, spec: {poolRef: "
      "{name: llama}, priority: -1}}");
  commit();
  EXPECT_EQ(text(status(kObjective, {"default", "batch"})->conditions), "Accepted=True/Accepted");
  EXPECT_EQ(problems(), std::vector<std::string>{
                            "InferenceObjective default/batch spec.poolRef: the picker of InferencePool "
                            "default/llama is not sluice's: nothing is done with this object here (see that "
                            "the picker reads it, or remove `endpointPickerRef` from the pool) "
                            "[support/other-picker]"});
}

}  // namespace
}  // namespace sluice::control

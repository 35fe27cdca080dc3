// Each field of an EnvoyProxy by itself: where it goes. The golden tests have whole objects.
#include "infra/objects.h"

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "infra/testing.h"

namespace sluice::infra {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

json object_of(const Result& result, std::string_view kind) {
  for (const Object& object : result.objects) {
    if (object.key.kind.kind() == kind) return object.document;
  }
  return nullptr;
}

json made(const Request& request, std::string_view kind) {
  return object_of(make_objects(request, Settings()), kind);
}

// ---- one field, one place --------------------------------------------------------------------

struct Case {
  const char* provider;  // spec.provider.kubernetes
  const char* kind;
  const char* place;  // a JSON pointer; "pod:" is the pod's spec, "envoy:" Envoy's container
  const char* value;  // what is there; "null": nothing
};

json::json_pointer pointer_of(std::string place) {
  for (const auto& [name, path] :
       {std::pair("pod:", "/spec/template/spec"), std::pair("envoy:", "/spec/template/spec/containers/0")}) {
    if (place.starts_with(name)) place.replace(0, std::strlen(name), path);
  }
  return json::json_pointer(place);
}

class Field : public testing::TestWithParam<Case> {};

TEST_P(Field, HasItsPlace) {
  const Case& c = GetParam();
  const json document = made(request_with_provider(c.provider), c.kind);
  ASSERT_FALSE(document.is_null());
  const json::json_pointer place = pointer_of(c.place);
  EXPECT_EQ(document.contains(place) ? document[place] : json(), json::parse(c.value)) << c.provider;
}

INSTANTIATE_TEST_SUITE_P(
    OfThePod, Field,
    testing::Values(Case{"{envoyDeployment: {pod: {nodeSelector: {a: b}}}}", "Deployment",
                         "pod:/nodeSelector/a", R"("b")"},
                    Case{"{envoyDeployment: {pod: {priorityClassName: high}}}", "Deployment",
                         "pod:/priorityClassName", R"("high")"},
                    Case{"{envoyDeployment: {pod: {imagePullSecrets: [{name: a}]}}}", "Deployment",
                         "pod:/imagePullSecrets", R"([{"name":"a"}])"},
                    Case{"{envoyDeployment: {pod: {securityContext: {fsGroup: 1}}}}", "Deployment",
                         "pod:/securityContext", R"({"fsGroup":1})"},
                    Case{"{envoyDeployment: {pod: {tolerations: [{operator: Exists}]}}}", "Deployment",
                         "pod:/tolerations", R"([{"operator":"Exists"}])"},
                    Case{"{envoyDeployment: {pod: {annotations: {prometheus.io/port: '1'}}}}", "Deployment",
                         "/spec/template/metadata/annotations/prometheus.io~1port", R"("1")"},
                    Case{"{envoyDeployment: {pod: {labels: {a: b}}}}", "Deployment",
                         "/spec/template/metadata/labels/a", R"("b")"},
                    Case{"{envoyDeployment: {pod: {labels: {app.kubernetes.io/name: b}}}}", "Deployment",
                         "/spec/template/metadata/labels/app.kubernetes.io~1name", R"("envoy")"},
                    Case{"{envoyDeployment: {initContainers: [{name: a}]}}", "Deployment",
                         "pod:/initContainers/0/name", R"("a")"},
                    Case{"{envoyServiceAccount: {name: a}}", "Deployment", "pod:/serviceAccountName",
                         R"("a")"},
                    Case{"{envoyServiceAccount: {name: a}}", "ServiceAccount", "/metadata/name", R"("a")"},
                    Case{"{}", "Deployment", "pod:/serviceAccountName", R"("envoy-default-web-82b3ade9")"},
                    Case{"{envoyDaemonSet: {pod: {nodeSelector: {a: b}}}}", "DaemonSet",
                         "pod:/nodeSelector/a", R"("b")"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheContainer, Field,
    testing::Values(
        Case{"{}", "Deployment", "envoy:/image", R"("docker.io/envoyproxy/envoy:distroless-v1.40.0")"},
        Case{"{envoyDeployment: {container: {image: 'a:1'}}}", "Deployment", "envoy:/image", R"("a:1")"},
        Case{"{envoyDeployment: {container: {imageRepository: 'a.b:5000/c'}}}", "Deployment", "envoy:/image",
             R"("a.b:5000/c:distroless-v1.40.0")"},
        Case{"{}", "Deployment", "envoy:/resources", R"({"requests":{"cpu":"100m","memory":"512Mi"}})"},
        Case{"{envoyDeployment: {container: {resources: {limits: {cpu: '1'}}}}}", "Deployment",
             "envoy:/resources", R"({"limits":{"cpu":"1"}})"},
        Case{"{envoyDeployment: {container: {securityContext: {runAsUser: 1}}}}", "Deployment",
             "envoy:/securityContext", R"({"runAsUser":1})"},
        Case{"{envoyDeployment: {container: {securityContext: {runAsUser: 1}}}}", "Deployment",
             "pod:/containers/1/securityContext", R"({"runAsUser":1})"},
        Case{"{envoyDeployment: {container: {env: [{name: A, value: b}]}}}", "Deployment", "envoy:/env/3",
             R"({"name":"A","value":"b"})"},
        Case{"{envoyDeployment: {container: {volumeMounts: [{name: certs, mountPath: /x}]}}}", "Deployment",
             "envoy:/volumeMounts/0", R"({"name":"certs","mountPath":"/x"})"},
        Case{"{envoyDeployment: {pod: {volumes: [{name: a, emptyDir: {}}]}}}", "Deployment", "pod:/volumes/2",
             R"({"name":"a","emptyDir":{}})"}));

INSTANTIATE_TEST_SUITE_P(
    OfWorkloads, Field,
    testing::Values(Case{"{envoyDeployment: {name: a}}", "Deployment", "/metadata/name", R"("a")"},
                    Case{"{envoyDaemonSet: {name: a}}", "DaemonSet", "/metadata/name", R"("a")"},
                    Case{"{envoyDeployment: {replicas: 2}}", "Deployment", "/spec/replicas", "2"},
                    Case{"{envoyDeployment: {replicas: 2}, envoyHpa: {maxReplicas: 3}}", "Deployment",
                         "/spec/replicas", "null"},
                    Case{"{}", "Deployment", "/spec/strategy", R"({"type":"RollingUpdate"})"},
                    Case{"{envoyDeployment: {strategy: {type: Recreate}}}", "Deployment", "/spec/strategy",
                         R"({"type":"Recreate"})"},
                    Case{"{envoyDaemonSet: {strategy: {type: OnDelete}}}", "DaemonSet",
                         "/spec/updateStrategy", R"({"type":"OnDelete"})"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheService, Field,
    testing::Values(
        Case{"{}", "Service", "/spec/type", R"("LoadBalancer")"},
        Case{"{}", "Service", "/spec/externalTrafficPolicy", R"("Local")"},
        Case{"{envoyService: {name: a}}", "Service", "/metadata/name", R"("a")"},
        Case{"{envoyService: {externalTrafficPolicy: Cluster}}", "Service", "/spec/externalTrafficPolicy",
             R"("Cluster")"},
        Case{"{envoyService: {type: NodePort}}", "Service", "/spec/externalTrafficPolicy", R"("Local")"},
        Case{"{envoyService: {type: ClusterIP}}", "Service", "/spec/externalTrafficPolicy", "null"},
        Case{"{envoyService: {loadBalancerClass: a}}", "Service", "/spec/loadBalancerClass", R"("a")"},
        Case{"{envoyService: {type: NodePort, loadBalancerClass: a}}", "Service", "/spec/loadBalancerClass",
             "null"},
        Case{"{envoyService: {type: LoadBalancer, loadBalancerIP: 10.0.0.1}}", "Service",
             "/spec/loadBalancerIP", R"("10.0.0.1")"},
        Case{"{envoyService: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}", "Service",
             "/spec/loadBalancerSourceRanges", R"(["10.0.0.0/8"])"},
        Case{"{envoyService: {type: LoadBalancer, allocateLoadBalancerNodePorts: false}}", "Service",
             "/spec/allocateLoadBalancerNodePorts", "false"},
        Case{"{envoyService: {labels: {a: b}}}", "Service", "/metadata/labels/a", R"("b")"},
        Case{"{envoyService: {labels: {a: b}}}", "Service", "/spec/selector/a", "null"},
        Case{"{envoyService: {annotations: {a: b}}}", "Service", "/metadata/annotations/a", R"("b")"}));

INSTANTIATE_TEST_SUITE_P(
    OfWhatStandsBeside, Field,
    testing::Values(
        Case{"{envoyHpa: {maxReplicas: 3}}", "HorizontalPodAutoscaler", "/spec/maxReplicas", "3"},
        Case{"{envoyHpa: {maxReplicas: 3, minReplicas: 2}}", "HorizontalPodAutoscaler", "/spec/minReplicas",
             "2"},
        Case{"{envoyHpa: {maxReplicas: 3}}", "HorizontalPodAutoscaler",
             "/spec/metrics/0/resource/target/averageUtilization", "80"},
        Case{"{envoyHpa: {maxReplicas: 3, name: a}}", "HorizontalPodAutoscaler", "/metadata/name", R"("a")"},
        Case{"{envoyHpa: {maxReplicas: 3}, envoyDeployment: {name: a}}", "HorizontalPodAutoscaler",
             "/spec/scaleTargetRef/name", R"("a")"},
        Case{"{envoyHpa: {maxReplicas: 3}, envoyDeployment: {patch: {value: {metadata: {name: a}}}}}",
             "HorizontalPodAutoscaler", "/spec/scaleTargetRef/name", R"("a")"},
        Case{"{envoyPDB: {minAvailable: 1}}", "PodDisruptionBudget", "/spec/minAvailable", "1"},
        Case{"{envoyPDB: {maxUnavailable: 25%}}", "PodDisruptionBudget", "/spec/maxUnavailable", R"("25%")"},
        Case{"{envoyPDB: {minAvailable: 1, name: a}}", "PodDisruptionBudget", "/metadata/name", R"("a")"}));

// ---- the process -----------------------------------------------------------------------------

std::vector<std::string> arguments(std::string_view spec) {
  std::vector<std::string> all = made(request_with(spec), "Deployment")[pointer_of("envoy:/args")];
  return {all.begin() + 6, all.end()};  // behind those that tie it to us
}

TEST(Arguments, AreEnvoyGateways) {
  EXPECT_THAT(arguments("{}"),
              ElementsAre("--cpuset-threads", "--drain-strategy", "immediate", "--log-level", "warn",
                          "--component-log-level", "misc:error", "--drain-time-s", "60"));
}

TEST(Arguments, FollowFields) {
  EXPECT_THAT(
      arguments("{concurrency: 2, logging: {level: {default: debug, http: info}}, "
                "shutdown: {drainTimeout: 5s}, extraArgs: [--x, '1']}"),
      ElementsAre("--cpuset-threads", "--drain-strategy", "immediate", "--concurrency", "2", "--log-level",
                  "debug", "--component-log-level", "http:info", "--drain-time-s", "5", "--x", "1"));
}

// Envoy does not start with an option that is there twice.
TEST(Arguments, OfUsersReplaceOurs) {
  EXPECT_THAT(arguments("{extraArgs: [--drain-time-s, '9', --drain-strategy, gradual, -l, info]}"),
              ElementsAre("--cpuset-threads", "--component-log-level", "misc:error", "--drain-time-s", "9",
                          "--drain-strategy", "gradual", "--log-level", "info"));
}

TEST(Shutdown, TakesItsTimesFromTheEnvoyProxy) {
  const json spec = made(request_with("{shutdown: {drainTimeout: 1m30s, minDrainDuration: 500ms, "
                                      "healthCheckFailureDelay: 3s}}"),
                         "Deployment")["spec"]["template"]["spec"];
  EXPECT_EQ(spec["terminationGracePeriodSeconds"], 390);
  const json& manager = spec["containers"][1];
  EXPECT_EQ(manager["args"], json::parse(R"(["envoy","shutdown-manager","--ready-timeout=100s"])"));
  EXPECT_EQ(manager["lifecycle"]["preStop"]["exec"]["command"],
            json::parse(R"(["sluice","envoy","shutdown","--health-check-failure-delay=3s",
                            "--drain-timeout=90s","--min-drain-duration=500ms"])"));
}

TEST(Prometheus, CanBeSwitchedOff) {
  const json spec = made(request_with("{telemetry: {metrics: {prometheus: {disable: true}}}}"),
                         "Deployment")["spec"]["template"];
  EXPECT_FALSE(spec["metadata"].contains("annotations"));
  EXPECT_EQ(spec["spec"]["containers"][0]["ports"],
            json::parse(R"([{"name":"readiness","containerPort":19003,"protocol":"TCP"}])"));
}

// ---- what is withheld ------------------------------------------------------------------------

std::string withheld(const Result& result) {
  std::string names;
  for (const ObjectKey& key : result.withheld) names += key.to_string() + '\n';
  return names;
}

TEST(Service, WithoutPortsStaysAsItIs) {
  Request request = plain_request();
  request.sockets.clear();
  const Result result = make_objects(request, Settings());
  EXPECT_TRUE(object_of(result, "Service").is_null());
  EXPECT_EQ(withheld(result), "Service sluice-system/envoy-default-web-82b3ade9\n");
  EXPECT_TRUE(result.problems.empty());
}

TEST(Workload, WithABadBootstrapStaysAsItIs) {
  Request request = request_with("{bootstrap: {type: Merge, value: 'admn: {}'}}");
  const Result result = make_objects(request, Settings());
  EXPECT_TRUE(object_of(result, "Deployment").is_null());
  EXPECT_EQ(withheld(result), "Deployment sluice-system/envoy-default-web-82b3ade9\n");
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.problems[0].path, "spec.bootstrap.value");
  EXPECT_EQ(result.problems[0].object.to_string(), "EnvoyProxy default/custom");
}

TEST(Autoscaler, ScalesNoDaemonSet) {
  Request request = request_with_provider("{envoyDaemonSet: {}}");
  EXPECT_TRUE(made(request, "HorizontalPodAutoscaler").is_null());
  EXPECT_TRUE(made(request, "Deployment").is_null());
}

// ---- patches that do not apply ---------------------------------------------------------------

struct BadPatch {
  const char* provider;
  const char* path;
  const char* message;
};

class Patch : public testing::TestWithParam<BadPatch> {};

TEST_P(Patch, SaysWhereItDoesNotApply) {
  const BadPatch& c = GetParam();
  const Result result = make_objects(request_with_provider(c.provider), Settings());
  ASSERT_EQ(result.problems.size(), 1U) << c.provider;
  EXPECT_EQ(result.problems[0].code, "value/patch");
  EXPECT_EQ(result.problems[0].path, std::string("spec.provider.kubernetes.") + c.path);
  EXPECT_EQ(result.problems[0].message, c.message);
  EXPECT_EQ(result.withheld.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    OfEachKind, Patch,
    testing::Values(
        BadPatch{
            "{envoyDeployment: {patch: {value: {spec: {template: {spec: {volumes: [{emptyDir: {}}]}}}}}}}",
            "envoyDeployment.patch.value.spec.template.spec.volumes[0]",
            "an item of this list is found by its `name`, which it has not"},
        BadPatch{"{envoyDaemonSet: {patch: {value: {kind: Deployment}}}}", "envoyDaemonSet.patch.value.kind",
                 "`kind` of the DaemonSet must stay as it is"},
        BadPatch{"{envoyService: {patch: {type: JSONMerge, value: {apiVersion: null}}}}",
                 "envoyService.patch.value.apiVersion", "`apiVersion` of the Service must stay as it is"},
        BadPatch{"{envoyService: {patch: {type: JSONPatch, value: {}}}}", "envoyService.patch.type",
                 "a patch is of type `StrategicMerge` or `JSONMerge`"},
        BadPatch{"{envoyHpa: {maxReplicas: 1, patch: {value: {metadata: {name: ''}}}}}",
                 "envoyHpa.patch.value.metadata.name", "the HorizontalPodAutoscaler needs a name"},
        BadPatch{"{envoyHpa: {maxReplicas: 1, patch: {value: {metadata: null}}}}",
                 "envoyHpa.patch.value.metadata.namespace",
                 "`metadata.namespace` of the HorizontalPodAutoscaler must stay as it is"},
        BadPatch{"{envoyPDB: {minAvailable: 1, patch: {type: JSONMerge, value: []}}}", "envoyPDB.patch.value",
                 "a patch is an object, as a part of what it changes"}));

TEST(JsonMerge, AddsWhatWeKnowNothingOf) {
  const json spec = made(request_with_provider("{envoyPDB: {minAvailable: 1, patch: {type: JSONMerge, value: "
                                               "{spec: {unhealthyPodEvictionPolicy: AlwaysAllow}}}}}"),
                         "PodDisruptionBudget")["spec"];
  EXPECT_EQ(spec["unhealthyPodEvictionPolicy"], "AlwaysAllow");
}

}  // namespace
}  // namespace sluice::infra

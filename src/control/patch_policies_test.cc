// EnvoyPatchPolicies: what becomes of the resources that they change, whom they harm, and what their statuses
// say.

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/testing.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using xds::ResourceType;

const GroupKind& kPolicy = api::kind_of<api::EnvoyPatchPolicy>();
constexpr char kRule[] = "httproute/default/web/rule/0";

class PatchPolicies : public YamlPipeline {
 protected:
  // Gateway default/gw with a listener `http`; HTTPRoutes default/web and default/other, which send to one
  // Service.
  explicit PatchPolicies(translate::Settings with = settings()) : YamlPipeline(std::move(with)) {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: class
  listeners: [{name: http, port: 8001, protocol: HTTP}]
)");
    feed(R"(
apiVersion: v1
kind: Service
metadata: {name: blue, namespace: default}
spec: {ports: [{port: 80}]}
)");
    feed(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: blue, namespace: default, labels: {kubernetes.io/service-name: blue}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.1]}]
)");
    route("web");
    route("other");
    pipeline_.commit();
  }

  void route(const std::string& name) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {0}, namespace: default}}
spec:
  parentRefs: [{{name: gw}}]
  hostnames: [{0}.example]
  rules:
    - matches: [{{path: {{value: /a}}}}, {{path: {{value: /b}}}}]
      backendRefs: [{{name: blue, port: 80}}]
)",
                     name));
  }

  // `patches`: each {type: TYPE, name: …, operation: …}, where TYPE is Envoy's without the beginning.
  ObjectKey policy(const std::string& name, std::vector<std::pair<const char*, std::string>> patches,
                   const std::string& target = "{group: gateway.networking.k8s.io, kind: Gateway, name: gw}",
                   int priority = 0) {
    std::string text = fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {{name: {}, namespace: default}}
spec:
  type: JSONPatch
  priority: {}
  targetRef: {}
)",
                                   name, priority, target);
    if (!patches.empty()) text += "  jsonPatches:\n";
    for (const auto& [type, rest] : patches) {
      text += fmt::format("  - {{type: type.googleapis.com/envoy.{}, {}}}\n", type, rest);
    }
    const ObjectKey key = feed(text);
    pipeline_.commit();
    return key;
  }

  json resource(ResourceType type, const std::string& name) const {
    const Rendered* row = pipeline_.resources(type).get({"default/gw", name});
    return row == nullptr ? json() : json::parse(xds::to_json(type, *row->bytes));
  }
  json listener() const { return resource(ResourceType::kListener, "default/gw:8001"); }
  json routes() const { return resource(ResourceType::kRoutes, "default/gw:8001"); }
  // Where the first route of the host's goes.
  std::string cluster_of(const std::string& host) const {
    const json table = routes();
    for (const json& one : table["virtualHosts"]) {
      if (one["domains"][0] == host) return one["routes"][0]["route"]["cluster"];
    }
    return "";
  }

  // The conditions at the only ancestor.
  std::string conditions(const std::string& name) const {
    const translate::ObjectStatus* of = status(kPolicy, {"default", name});
    if (of == nullptr || of->ancestors.empty()) return "";
    EXPECT_EQ(of->ancestors.size(), 1u);
    return text(of->ancestors.front().second);
  }
  // "path: message; suggestion [code]" of each problem.
  std::vector<std::string> problems() const {
    std::vector<std::string> texts;
    for (const Problem& p : pipeline_.problems()) {
      texts.push_back(fmt::format("{}: {}{}{} [{}]", p.path, p.message, p.suggestion.empty() ? "" : "; ",
                                  p.suggestion, p.code));
    }
    return texts;
  }
};

constexpr char kListener[] = "config.listener.v3.Listener";
constexpr char kRoutes[] = "config.route.v3.RouteConfiguration";
constexpr char kCluster[] = "config.cluster.v3.Cluster";
constexpr char kEndpoints[] = "config.endpoint.v3.ClusterLoadAssignment";
constexpr char kInForce[] = "Accepted=True/Accepted Programmed=True/Programmed";

TEST_F(PatchPolicies, ChangeAListenerByItsNameInEnvoyGateway) {
  policy("one", {{kListener,
                  "name: default/gw/http, operation: {op: replace, path: "
                  "/per_connection_buffer_limit_bytes, value: 1024}"}});
  EXPECT_EQ(listener()["perConnectionBufferLimitBytes"], 1024);
  EXPECT_EQ(conditions("one"), kInForce);
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(PatchPolicies, ChangeAListenerByOurName) {
  policy("one", {{kListener,
                  "name: 'default/gw:8001', operation: {op: add, path: /ignore_global_conn_limit, "
                  "value: true}"}});
  EXPECT_EQ(listener()["ignoreGlobalConnLimit"], true);
}

TEST_F(PatchPolicies, LeaveWhatWasThereWhenTheyGo) {
  const json before = listener();
  const ObjectKey key = policy("one", {{kListener,
                                        "name: default/gw/http, operation: {op: remove, path: "
                                        "/per_connection_buffer_limit_bytes}"}});
  EXPECT_NE(listener(), before);
  pipeline_.erase(key);
  pipeline_.commit();
  EXPECT_EQ(listener(), before);
}

TEST_F(PatchPolicies, FindVirtualHostsAndRoutesByTheirNamesInEnvoyGateway) {
  policy("one", {{kRoutes,
                  "name: default/gw/http, operation: {op: add, path: /include_attempt_count_in_response, "
                  "jsonPath: \"$.virtual_hosts[?(@.name == 'default/gw/http/web_example')]\", value: "
                  "true}"},
                 {kRoutes,
                  "name: default/gw/http, operation: {op: add, path: /stat_prefix, jsonPath: "
                  "\"..routes[?(@.name == 'httproute/default/web/rule/0/match/1/web_example')]\", "
                  "value: b}"}});
  EXPECT_EQ(conditions("one"), kInForce);
  EXPECT_THAT(problems(), IsEmpty());
  const json table = routes();
  ASSERT_EQ(table["virtualHosts"].size(), 2u);
  for (const json& host : table["virtualHosts"]) {
    const bool web = host["domains"][0] == "web.example";
    EXPECT_EQ(host.value("includeAttemptCountInResponse", false), web);
    EXPECT_EQ(host["routes"][0].value("statPrefix", ""), "");
    EXPECT_EQ(host["routes"][1].value("statPrefix", ""), web ? "b" : "");
  }
}

TEST_F(PatchPolicies, GiveARuleAClusterOfItsOwn) {
  policy("one", {{kCluster, fmt::format("name: {}, operation: {{op: add, path: /connect_timeout, value: 3s}}",
                                        kRule)}});
  EXPECT_EQ(resource(ResourceType::kCluster, kRule)["connectTimeout"], "3s");
  EXPECT_EQ(cluster_of("web.example"), kRule);
  EXPECT_EQ(cluster_of("other.example"), "service/default/blue:80");
  EXPECT_NE(resource(ResourceType::kCluster, "service/default/blue:80")["connectTimeout"], "3s");
  EXPECT_EQ(conditions("one"), kInForce);
}

TEST_F(PatchPolicies, GiveAMirrorAClusterOfItsOwn) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{name: gw}]
  hostnames: [web.example]
  rules:
    - backendRefs: [{name: blue, port: 80}]
      filters:
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: b}]}}
      - {type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}}}
)");
  const std::string mirror = fmt::format("{}-mirror-1", kRule);
  policy("one", {{kCluster, fmt::format("name: {}, operation: {{op: add, path: /connect_timeout, value: 3s}}",
                                        mirror)}});
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(resource(ResourceType::kCluster, mirror)["connectTimeout"], "3s");
  for (const json& host : routes()["virtualHosts"]) {
    if (host["domains"][0] != "web.example") continue;
    EXPECT_EQ(host["routes"][0]["route"]["requestMirrorPolicies"][0]["cluster"], mirror);
  }
  EXPECT_EQ(cluster_of("other.example"), "service/default/blue:80");
  EXPECT_NE(resource(ResourceType::kCluster, "service/default/blue:80")["connectTimeout"], "3s");
}

TEST_F(PatchPolicies, GiveARouteOfConnectionsAClusterOfItsOwn) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: class
  listeners:
  - {name: tcp, port: 9001, protocol: TCP}
  - {name: tls, port: 9002, protocol: TLS, tls: {mode: Passthrough}}
  - {name: udp, port: 9003, protocol: UDP}
)");
  feed(R"(
apiVersion: v1
kind: Service
metadata: {name: blue, namespace: default}
spec: {ports: [{name: tcp, port: 80}, {name: udp, port: 80, protocol: UDP}]}
)");
  const std::map<std::string, std::string> kinds{
      {"tcp", "TCPRoute"}, {"tls", "TLSRoute"}, {"udp", "UDPRoute"}};
  for (const auto& [listener, kind] : kinds) {
    for (const char* name : {"one", "two"}) {
      feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/{}
kind: {}
metadata: {{name: {}-{}, namespace: default}}
spec:
  parentRefs: [{{name: gw, sectionName: {}}}]
  {}
  rules: [{{backendRefs: [{{name: blue, port: 80, weight: 3}}]}}]
)",
                       kind == "TLSRoute" ? "v1" : "v1alpha2", kind, listener, name, listener,
                       kind == "TLSRoute" ? fmt::format("hostnames: [{}.example]", name) : ""));
    }
    const std::string cluster = fmt::format("{}route/default/{}-one/rule/-1", listener, listener);
    policy(listener,
           {{kCluster,
             fmt::format("name: {}, operation: {{op: add, path: /connect_timeout, value: 3s}}", cluster)}});
    EXPECT_EQ(conditions(listener), kInForce) << kind;
    EXPECT_EQ(resource(ResourceType::kCluster, cluster)["connectTimeout"], "3s") << kind;
    // The listener sends there.
    const std::string socket = fmt::format("default/gw:900{}{}",
                                           kind == "TCPRoute"   ? 1
                                           : kind == "TLSRoute" ? 2
                                                                : 3,
                                           kind == "UDPRoute" ? "/udp" : "");
    EXPECT_NE(resource(ResourceType::kListener, socket).dump().find('"' + cluster + '"'), std::string::npos)
        << kind << resource(ResourceType::kListener, socket).dump(1);
  }
  // Another route to the same Service keeps the shared one.
  EXPECT_NE(resource(ResourceType::kCluster, "service/default/blue:80"), json());
  EXPECT_NE(resource(ResourceType::kCluster, "service/default/blue:80")["connectTimeout"], "3s");
}

TEST_F(PatchPolicies, AConnectionsOwnClusterHasAllBackendsWithTheirWeights) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: class
  listeners: [{name: tcp, port: 9001, protocol: TCP}]
)");
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: many, namespace: default}
spec:
  parentRefs: [{name: gw}]
  rules:
  - backendRefs:
    - {name: blue, port: 80, weight: 3}
    - {name: green, port: 80, weight: 1}
    - {name: nobody, port: 80, weight: 1}
)");
  feed(R"(
apiVersion: v1
kind: Service
metadata: {name: green, namespace: default}
spec: {ports: [{port: 80}]}
)");
  feed(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: green, namespace: default, labels: {kubernetes.io/service-name: green}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.2]}]
)");
  policy("one", {{kCluster,
                  "name: tcproute/default/many/rule/-1, operation: {op: add, path: /connect_timeout, "
                  "value: 3s}"}});
  const json endpoints = resource(ResourceType::kEndpoints, "tcproute/default/many/rule/-1");
  ASSERT_EQ(endpoints["endpoints"].size(), 2u) << endpoints.dump(1);
  EXPECT_EQ(endpoints["endpoints"][0]["loadBalancingWeight"], 3);
  EXPECT_EQ(endpoints["endpoints"][1]["loadBalancingWeight"], 1);
  // What leads nowhere keeps its share.
  const std::string listener = resource(ResourceType::kListener, "default/gw:9001").dump();
  EXPECT_THAT(listener, HasSubstr(R"("name":"tcproute/default/many/rule/-1","weight":4)"));
}

TEST_F(PatchPolicies, KnowASharedClusterByItsNameInEnvoyGateway) {
  policy("one", {{kCluster,
                  "name: service/default/blue/80/http, operation: {op: add, path: /connect_timeout, "
                  "value: 3s}"}});
  EXPECT_EQ(conditions("one"), kInForce);
  EXPECT_EQ(resource(ResourceType::kCluster, "service/default/blue:80")["connectTimeout"], "3s");
}

TEST_F(PatchPolicies, FindExtensionsAndTheirServicesByTheirNamesInEnvoyGateway) {
  feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: p, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}]
  lua: [{type: Inline, inline: "function envoy_on_request(handle) end"}]
  extProc: [{backendRefs: [{name: blue, port: 80}], processingMode: {request: {}}}]
)");
  policy("one",
         {{kListener,
           "name: default/gw/http, operation: {op: add, path: /typed_config/stat_prefix, value: patched, "
           "jsonPath: "
           "\"..http_filters[?(@.name == 'envoy.filters.http.lua/envoyextensionpolicy/default/p/lua/0')]\"}"},
          {kListener,
           "name: default/gw/http, operation: {op: add, path: /typed_config/stat_prefix, value: patched, "
           "jsonPath: "
           "\"..http_filters[?(@.name == "
           "'envoy.filters.http.ext_proc/envoyextensionpolicy/default/p/extproc/0')]\"}"},
          {kCluster,
           "name: envoyextensionpolicy/default/p/extproc/0, operation: {op: add, path: /connect_timeout, "
           "value: 3s}"}});
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(conditions("one"), kInForce);
  EXPECT_EQ(resource(ResourceType::kCluster, "envoyextensionpolicy/default/p/extproc/0")["connectTimeout"],
            "3s");
}

TEST_F(PatchPolicies, AnOwnClusterFollowsTheEndpointsOfItsService) {
  policy("one",
         {{kEndpoints, fmt::format("name: {}, operation: {{op: add, path: /policy/overprovisioning_factor, "
                                   "value: 100}}",
                                   kRule)}});
  const json endpoints = resource(ResourceType::kEndpoints, kRule);
  EXPECT_EQ(endpoints["policy"]["overprovisioningFactor"], 100);
  EXPECT_EQ(endpoints["endpoints"][0]["lbEndpoints"].size(), 1u);
}

TEST_F(PatchPolicies, ABackendWithFiltersOfItsOwnHasAClusterOfItsOwn) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{name: gw}]
  hostnames: [web.example]
  rules:
    - backendRefs:
      - {name: blue, port: 80}
      - name: blue
        port: 80
        filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: b}]}}]
)");
  policy("one",
         {{kCluster, fmt::format("name: {}/backend/1, operation: {{op: add, path: /connect_timeout, value: "
                                 "3s}}",
                                 kRule)}});
  EXPECT_EQ(resource(ResourceType::kCluster, fmt::format("{}/backend/1", kRule))["connectTimeout"], "3s");
  EXPECT_EQ(conditions("one"), kInForce);
}

TEST_F(PatchPolicies, AddAClusterThatARouteIsSentTo) {
  policy("one", {{kCluster,
                  "name: chosen, operation: {op: add, path: \"\", value: {name: chosen, type: "
                  "ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {use_http_header: "
                  "true, http_header_name: x-endpoint}}}"},
                 {kRoutes,
                  "name: default/gw/http, operation: {op: replace, jsonPath: "
                  "\"$.virtual_hosts[?(@.domains[0] == 'web.example')].routes[*].route.cluster\", value: "
                  "chosen}"}});
  EXPECT_EQ(resource(ResourceType::kCluster, "chosen")["originalDstLbConfig"]["httpHeaderName"],
            "x-endpoint");
  EXPECT_EQ(cluster_of("web.example"), "chosen");
  EXPECT_EQ(cluster_of("other.example"), "service/default/blue:80");
  // So that the cluster goes first.
  EXPECT_THAT(
      pipeline_.resources(ResourceType::kRoutes).get({"default/gw", "default/gw:8001"})->names->clusters,
      ::testing::Contains("chosen"));
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(PatchPolicies, ApplyInTheOrderOfTheirPriorities) {
  const auto set = [](int value) {
    return fmt::format(
        "name: default/gw/http, operation: {{op: add, path: /per_connection_buffer_limit_bytes, "
        "value: {}}}",
        value);
  };
  const std::string gateway = "{group: gateway.networking.k8s.io, kind: Gateway, name: gw}";
  policy("a", {{kListener, set(1)}}, gateway, 5);
  policy("b", {{kListener, set(2)}}, gateway, -5);
  EXPECT_EQ(listener()["perConnectionBufferLimitBytes"], 1);
  policy("c", {{kListener, set(3)}}, gateway, 6);
  EXPECT_EQ(listener()["perConnectionBufferLimitBytes"], 3);
}

// ---- what does not apply ------------------------------------------------------------------------------

TEST_F(PatchPolicies, WithoutAPatchSayThatTheyChangeNothing) {
  policy("one", {});
  EXPECT_THAT(problems(), ::testing::ElementsAre(
                              "spec: the policy has no patch: it changes nothing; add some to `jsonPatches`, "
                              "or remove the policy [value/no-patch]"));
  EXPECT_EQ(pipeline_.problems().at(0).severity, Severity::kWarning);
  EXPECT_TRUE(conditions("one").starts_with("Accepted=True/Accepted"));
}

TEST_F(PatchPolicies, SayWhatIsThereInPlaceOfWhatTheyChange) {
  const json before = listener();
  policy("one", {{kListener,
                  "name: default/gw/http, operation: {op: add, path: /ignore_global_conn_limit, value: "
                  "true}"},
                 {kListener,
                  "name: default/gw/http, operation: {op: remove, path: "
                  "/default_filter_chain/filters/3}"}});
  EXPECT_EQ(conditions("one"), "Accepted=True/Accepted Programmed=False/Invalid");
  EXPECT_THAT(problems(), ::testing::ElementsAre(
                              "spec.jsonPatches[1].operation.path: Listener `default/gw/http`: there is no "
                              "`/default_filter_chain/filters/3`: `/default_filter_chain/filters` has 1 "
                              "entry [value/patch]"));
  EXPECT_EQ(listener(), before);
}

TEST_F(PatchPolicies, SayWhichFieldEnvoyHasNot) {
  const json before = listener();
  policy("one", {{kListener,
                  "name: default/gw/http, operation: {op: add, path: /per_connection_bufer_limit_bytes, "
                  "value: 1}"}});
  EXPECT_THAT(problems(),
              ::testing::ElementsAre(
                  "spec.jsonPatches[0].operation.value: Listener `default/gw/http`: "
                  "`/per_connection_bufer_limit_bytes` is no field of envoy.config.listener.v3.Listener; "
                  "did you mean `per_connection_buffer_limit_bytes`? [value/patch]"));
  EXPECT_EQ(listener(), before);
}

TEST_F(PatchPolicies, SayWhichValueEnvoyDoesNotTake) {
  policy("one", {{kListener,
                  "name: default/gw/http, operation: {op: add, path: /per_connection_buffer_limit_bytes, "
                  "value: many}"}});
  EXPECT_EQ(problems().size(), 1u);
  EXPECT_THAT(problems().front(),
              HasSubstr("spec.jsonPatches[0].operation.value: Listener `default/gw/http`: the "
                        "result is no Listener:"));
  EXPECT_THAT(problems().front(), HasSubstr("many"));
}

TEST_F(PatchPolicies, SayWhichResourceWasMeant) {
  policy("one", {{kListener, "name: default/gw/htp, operation: {op: remove, path: /name}"}});
  EXPECT_EQ(conditions("one"), "Accepted=True/Accepted Programmed=False/ResourceNotFound");
  EXPECT_THAT(problems(),
              ::testing::ElementsAre("spec.jsonPatches[0].name: there is no Listener `default/gw/htp` in "
                                     "the proxy of `default/gw`; did you mean `default/gw/http`? "
                                     "[reference/not-found]"));
}

TEST_F(PatchPolicies, SayWhichRouteWasMeant) {
  policy("one",
         {{kCluster, "name: httproute/default/wep/rule/0, operation: {op: remove, path: /name}"},
          {kRoutes,
           "name: default/gw/http, operation: {op: add, path: /stat_prefix, value: b, jsonPath: "
           "\"..routes[?match(@.name, 'httproute/default/othe/.*')]\"}"},
          {kRoutes,
           "name: default/gw/http, operation: {op: replace, path: '/virtual_hosts/0/routes/0/route/cluster', "
           "value: httproute/default/othr/rule/0}"},
          {kCluster, "name: tcproute/default/web/rule/-1, operation: {op: remove, path: /name}"}});
  EXPECT_THAT(problems(),
              ::testing::UnorderedElementsAre(
                  "spec.jsonPatches[0].name: there is no Cluster `httproute/default/wep/rule/0`: there is no "
                  "HTTPRoute "
                  "default/wep [reference/not-found]",
                  HasSubstr("finds nothing: `/virtual_hosts/0/routes` has 2 entries; did you mean "
                            "`httproute/default/other/`? [value/patch]"),
                  "spec.jsonPatches[2].operation.value: there is no HTTPRoute default/othr "
                  "[reference/not-found]",
                  HasSubstr("there is no TCPRoute default/web")));
}

TEST_F(PatchPolicies, SayHowManyRulesARouteHas) {
  policy("one", {{kCluster, "name: httproute/default/web/rule/4, operation: {op: remove, path: /name}"}});
  EXPECT_THAT(problems(),
              ::testing::ElementsAre("spec.jsonPatches[0].name: there is no Cluster "
                                     "`httproute/default/web/rule/4`: HTTPRoute default/web has 1 rule, "
                                     "counted from 0 [reference/not-found]"));
}

TEST_F(PatchPolicies, OneThatFailsHarmsNoOther) {
  policy("bad", {{kListener, "name: default/gw/http, operation: {op: remove, path: /nothing}"}});
  policy("good", {{kListener,
                   "name: default/gw/http, operation: {op: add, path: /ignore_global_conn_limit, value: "
                   "true}"}});
  EXPECT_EQ(listener()["ignoreGlobalConnLimit"], true);
  EXPECT_EQ(conditions("good"), kInForce);
}

TEST_F(PatchPolicies, AResourceKeepsItsName) {
  policy("one", {{kListener, "name: default/gw/http, operation: {op: replace, path: /name, value: x}"}});
  EXPECT_THAT(problems().front(), HasSubstr("a resource keeps its name"));
}

TEST_F(PatchPolicies, OperationsThatNoResourceTakesAreToldAtOnce) {
  policy("one", {{kListener, "name: default/gw/http, operation: {op: remove, jsonPath: '$.a['}"}});
  EXPECT_EQ(conditions("one"), "Accepted=True/Accepted Programmed=False/Invalid");
  EXPECT_THAT(problems().front(), HasSubstr("spec.jsonPatches[0].operation.jsonPath: `$.a[` is no JSONPath"));
}

// ---- targets ------------------------------------------------------------------------------------------

TEST_F(PatchPolicies, OfAGatewayThatIsNotThereHaveNoStatus) {
  policy("one", {}, "{group: gateway.networking.k8s.io, kind: Gateway, name: gx}");
  EXPECT_EQ(conditions("one"), "");
  EXPECT_THAT(problems(), ::testing::ElementsAre("spec.targetRef.name: there is no Gateway default/gx "
                                                 "[reference/not-found]"));
}

TEST_F(PatchPolicies, OfAnotherKindAreInvalid) {
  policy("one", {}, "{group: gateway.networking.k8s.io, kind: Gatway, name: gw}");
  EXPECT_EQ(conditions("one"), "Accepted=False/Invalid");
}

class MergedPatchPolicies : public PatchPolicies {
 protected:
  MergedPatchPolicies()
      : PatchPolicies([] {
          translate::Settings merged = settings();
          merged.merge_gateways = true;
          return merged;
        }()) {}
};

TEST_F(MergedPatchPolicies, TargetTheClass) {
  policy("one",
         {{kListener,
           "name: default/gw/http, operation: {op: add, path: /ignore_global_conn_limit, value: true}"}},
         "{group: gateway.networking.k8s.io, kind: GatewayClass, name: class}");
  EXPECT_EQ(conditions("one"), kInForce);
  policy("two", {});
  EXPECT_EQ(conditions("two"), "");
  EXPECT_THAT(problems().front(), HasSubstr("where Gateways are merged, target their GatewayClass"));
}

class NoPatchPolicies : public PatchPolicies {
 protected:
  NoPatchPolicies()
      : PatchPolicies([] {
          translate::Settings without = settings();
          without.patch_policies_enabled = false;
          return without;
        }()) {}
};

TEST_F(NoPatchPolicies, SwitchedOffHaveNoEffect) {
  const json before = listener();
  policy("one",
         {{kListener,
           "name: default/gw/http, operation: {op: add, path: /ignore_global_conn_limit, value: true}"}});
  EXPECT_EQ(conditions("one"), "Accepted=False/Disabled");
  EXPECT_EQ(listener(), before);
}

// ---- what one costs, and whose fault a refusal is ----------------------------------------------------

TEST_F(PatchPolicies, RenderOnlyWhatTheyChange) {
  policy("one", {{kListener,
                  "name: default/gw/http, operation: {op: add, path: /ignore_global_conn_limit, value: "
                  "true}"}});
  feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: one, namespace: default}
spec:
  type: JSONPatch
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  jsonPatches:
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: default/gw/http
    operation: {op: add, path: /ignore_global_conn_limit, value: false}
)");
  const flow::CommitStats stats = pipeline_.commit();
  for (const char* stage : {"listeners", "route tables", "clusters", "http routes", "patched route tables"}) {
    EXPECT_EQ(stats.of(stage).runs, 0u) << stage;
  }
  EXPECT_EQ(stats.of("patched listeners").runs, 1u);
  EXPECT_EQ(pipeline_.resources(ResourceType::kListener).changes().size(), 1u);
}

TEST_F(PatchPolicies, AreSuspectsForWhatTheyChange) {
  const ObjectKey key = policy(
      "one", {{kCluster,
               fmt::format("name: {}, operation: {{op: add, path: /connect_timeout, value: 3s}}", kRule)}});
  const std::string cluster = pipeline_.aggregate_of(ResourceType::kCluster, {"default/gw", kRule}).value();
  EXPECT_EQ(cluster, Pipeline::patched_aggregate("default/gw"));
  bool found = false;
  for (const Pipeline::Contributor& one : pipeline_.changed_contributors()) {
    found = found || (one.object == key && one.aggregates.contains(cluster));
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(pipeline_.aggregate_of(ResourceType::kCluster, {"default/gw", "service/default/blue:80"}),
            std::nullopt);
}

TEST_F(PatchPolicies, RefusedByAProxyHaveNoEffect) {
  const ObjectKey key = policy(
      "one", {{kCluster,
               fmt::format("name: {}, operation: {{op: add, path: /connect_timeout, value: 3s}}", kRule)}});
  Refusal refusal{.refused = *pipeline_.object(key), .last_good = {}, .message = "no"};
  pipeline_.refuse(key, std::make_shared<const Refusal>(refusal));
  pipeline_.commit();
  EXPECT_EQ(cluster_of("web.example"), "service/default/blue:80");
  EXPECT_EQ(conditions("one"), "Accepted=True/Accepted Programmed=False/RejectedByProxy");
}

}  // namespace
}  // namespace sluice::control

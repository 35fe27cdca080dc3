// XBackends and XBackendTrafficPolicies through the whole pipeline: statuses, problems, and what an edit
// runs.

#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

constexpr std::string_view kGateway = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: class
  listeners: [{name: http, port: 8080, protocol: HTTP}]
)";

std::string x_backend(std::string_view name, std::string_view hostname) {
  return fmt::format(R"(
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: {{name: {}, generation: 3}}
spec: {{type: ExternalHostname, externalHostname: {{hostname: {}}}, port: {{port: 80}}}}
)",
                     name, hostname);
}

std::string policy(std::string_view name, std::string_view created, std::string_view target) {
  return fmt::format(R"(
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {{name: {}, creationTimestamp: "{}"}}
spec: {{targetRefs: [{}], retryConstraint: {{}}}}
)",
                     name, created, target);
}

std::string route(std::string_view name, std::string_view backend) {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {}}}
spec:
  parentRefs: [{{name: gateway, sectionName: http}}]
  rules: [{{backendRefs: [{}]}}]
)",
                     name, backend);
}

constexpr std::string_view kToApi = "{group: gateway.networking.x-k8s.io, kind: XBackend, name: api}";

class TrafficPolicies : public YamlPipeline {
 protected:
  TrafficPolicies() {
    feed(kGateway);
    feed(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.0.0.1, ports: [{port: "
        "80}]}\n");
  }

  std::string problems() const {
    std::string all;
    for (const Problem& p : pipeline_.problems()) {
      all +=
          fmt::format("{} {}: {}; {} [{}]\n", p.object.to_string(), p.path, p.message, p.suggestion, p.code);
    }
    return all;
  }

  // Of a policy, by ancestor.
  std::map<std::string, std::string> ancestors(const std::string& name) const {
    std::map<std::string, std::string> all;
    const auto* of = status(api::kind_of<api::XBackendTrafficPolicy>(), {"default", name});
    for (const auto& [ref, conditions] : of->ancestors) {
      all[ref.name + "/" + ref.section_name.value_or("")] = text(conditions);
    }
    return all;
  }
};

using Texts = std::map<std::string, std::string>;

TEST_F(TrafficPolicies, AreToldOfThoseWhoMeetThem) {
  feed(policy("old", "2026-01-01T00:00:00Z", "{group: '', kind: Service, name: web}"));
  feed(policy("young", "2026-02-01T00:00:00Z", "{group: '', kind: Service, name: web}"));
  feed(route("web", "{name: web, port: 80}"));
  pipeline_.commit();
  EXPECT_EQ(ancestors("old"), (Texts{{"gateway/http", "Accepted=True/Accepted"}}));
  EXPECT_EQ(ancestors("young"), (Texts{{"gateway/http", "Accepted=False/Conflicted"}}));
  EXPECT_EQ(problems(),
            "XBackendTrafficPolicy default/young spec.targetRefs[0]: XBackendTrafficPolicy default/old has "
            "the same "
            "target and takes precedence: it is older; remove one of the two [conflict/policy]\n");
  // Nobody sends to the backend any more.
  pipeline_.erase({api::kind_of<api::HTTPRoute>(), {"default", "web"}});
  pipeline_.commit();
  EXPECT_EQ(ancestors("old"), Texts());
}

TEST_F(TrafficPolicies, AreForBackendsThatAreThere) {
  feed(policy("none", "2026-01-01T00:00:00Z", "{group: '', kind: Service, name: wep}"));
  feed(policy("gateway", "2026-01-01T00:00:00Z",
              "{group: gateway.networking.k8s.io, kind: Gateway, name: gateway}"));
  pipeline_.commit();
  EXPECT_EQ(
      problems(),
      "XBackendTrafficPolicy default/gateway spec.targetRefs[0].kind: an XBackendTrafficPolicy is for no "
      "`gateway.networking.k8s.io/Gateway`; use a Service, a ServiceImport, a Backend or an XBackend "
      "[reference/kind]\n"
      "XBackendTrafficPolicy default/none spec.targetRefs[0].name: there is no Service default/wep; did you "
      "mean "
      "`web`? [reference/not-found]\n");
}

TEST_F(TrafficPolicies, RerunOnlyTheRoutesToTheirBackends) {
  feed(x_backend("api", "api.example"));
  feed(route("web", "{name: web, port: 80}"));
  feed(route("api", kToApi));
  pipeline_.commit();
  feed(policy("p", "2026-01-01T00:00:00Z", kToApi));
  EXPECT_EQ(pipeline_.commit().of("http routes").runs, 1U);
  EXPECT_EQ(pipeline_.commit().runs, 0U);
}

TEST_F(TrafficPolicies, XBackendsAreToldByWhomTheyAreUsed) {
  feed(x_backend("api", "api.example"));
  feed(x_backend("wrong", "10.0.0.1"));
  feed(x_backend("idle", "idle.example"));
  feed(route("api", kToApi));
  feed(route("wrong", "{group: gateway.networking.x-k8s.io, kind: XBackend, name: wrong}"));
  pipeline_.commit();
  const auto parents = [this](const char* name) {
    Texts all;
    const auto* of = status(api::kind_of<api::XBackend>(), {"default", name});
    if (of == nullptr) return all;
    EXPECT_EQ(of->generation, 3);
    for (const auto& [ref, conditions] : of->parents) {
      all[ref.name + "/" + ref.section_name.value_or("")] = text(conditions);
    }
    return all;
  };
  EXPECT_EQ(parents("api"), (Texts{{"gateway/", "Accepted=True/Accepted"}}));
  EXPECT_EQ(parents("wrong"), (Texts{{"gateway/", "Accepted=False/Invalid"}}));
  EXPECT_EQ(parents("idle"), Texts());
}

}  // namespace
}  // namespace sluice::control

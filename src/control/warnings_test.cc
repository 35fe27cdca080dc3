// What the pipeline warns of though every object is right in itself.

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "control/testing.h"
#include "source/files.h"

namespace sluice::control {
namespace {

class Warnings : public YamlPipeline {
 protected:
  // Gateway gw with listeners a.example and *.b.example, and a Service `web`.
  Warnings() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: class
  listeners:
  - {name: a, port: 8080, protocol: HTTP, hostname: a.example}
  - {name: b, port: 8080, protocol: HTTP, hostname: "*.b.example"}
  - {name: tcp, port: 9000, protocol: TCP}
  - {name: udp, port: 9000, protocol: UDP}
)");
    feed("{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{name: http, port: 80}]}}");
  }

  void http_route(std::string_view name, std::string_view hostnames, std::string_view rules,
                  std::string_view created = "") {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {}{}}}
spec: {{parentRefs: [{{name: gw}}], hostnames: [{}], rules: [{}]}}
)",
                     name, created.empty() ? "" : fmt::format(", creationTimestamp: \"{}\"", created),
                     hostnames, rules));
  }

  // "object path: message; suggestion [code]", of each a line.
  std::string said() {
    pipeline_.commit();
    std::string all;
    for (const Problem& problem : pipeline_.problems()) {
      EXPECT_EQ(problem.severity, Severity::kWarning) << problem.message;
      all += fmt::format("{} {}: {}; {} [{}]\n", problem.object.to_string(), problem.path, problem.message,
                         problem.suggestion, problem.code);
      for (const Related& also : problem.also) {
        all += fmt::format("  {} {}: {}\n", also.object.to_string(), also.path, also.message);
      }
    }
    return all;
  }
};

constexpr std::string_view kAll = "{backendRefs: [{name: web, port: 80}]}";
constexpr std::string_view kSome = "{matches: [{path: {value: /x}}], backendRefs: [{name: web, port: 80}]}";

TEST_F(Warnings, OfAHostnameThatNoListenerTakesBesideOneThatSomeDoes) {
  http_route("web", "a.example, c.example, x.b.example", kAll);
  EXPECT_EQ(
      said(),
      "HTTPRoute default/web spec.hostnames[1]: no listener that the route is attached to takes hostname "
      "`c.example`; those of the listeners are `*.b.example` and `a.example` [reference/hostname]\n");
}

TEST_F(Warnings, OfNoHostnameWhereAllAreTaken) {
  http_route("web", "a.example, x.b.example", kAll);
  EXPECT_EQ(said(), "");
}

TEST_F(Warnings, OfARouteThatLosesAMatchToAnOlderOne) {
  http_route("one", "a.example, x.b.example", fmt::format("{}, {}", kAll, kSome), "2026-01-02T00:00:00Z");
  http_route("two", "a.example, x.b.example", kSome, "2026-01-01T00:00:00Z");
  EXPECT_EQ(
      said(),
      "HTTPRoute default/one spec.rules[1]: HTTPRoute default/two has the same match for host a.example "
      "and 1 more, and gets the requests: it is older; remove one of the two, or let their matches "
      "differ [conflict/match]\n"
      "  HTTPRoute default/two spec.rules[0]: this one gets them\n");
  http_route("two", "a.example", kAll, "2026-01-01T00:00:00Z");
  EXPECT_EQ(said(),
            "HTTPRoute default/one spec.rules[0]: HTTPRoute default/two has the same match for host "
            "a.example, and gets the requests: it is older; remove one of the two, or let their matches "
            "differ [conflict/match]\n"
            "  HTTPRoute default/two spec.rules[0]: this one gets them\n");
  pipeline_.erase({api::kind_of<api::HTTPRoute>(), {"default", "two"}});
  EXPECT_EQ(said(), "");
}

TEST_F(Warnings, OfLostMatchesCostWhatChanges) {
  for (int i = 0; i < 100; ++i) http_route(fmt::format("r{:02}", i), "a.example", kSome);
  pipeline_.commit();
  ASSERT_EQ(pipeline_.problems().size(), 99U);
  http_route("r50", "a.example", kAll);
  EXPECT_LE(pipeline_.commit().of("problems of lost matches").runs, 1U);
  EXPECT_EQ(pipeline_.problems().size(), 98U);
}

// ---- rules without a backend --------------------------------------------------------------------------

class WarningsOfNoBackend : public Warnings {
 protected:
  // The paths of the problems of a route with the rules `one` and `two`, neither of which has a backend, and
  // with a policy for this target, which may have problems of its own.
  std::vector<std::string> paths(std::string_view target, std::string_view extensions) {
    http_route("web", "a.example", "{name: one}, {name: two, matches: [{path: {value: /x}}]}");
    feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: p}}
spec: {{targetRefs: [{{group: gateway.networking.k8s.io, {}}}], {}}}
)",
                     target, extensions));
    pipeline_.commit();
    std::vector<std::string> paths;
    for (const Problem& problem : pipeline_.problems()) {
      if (problem.object.kind != api::kind_of<api::HTTPRoute>()) continue;
      EXPECT_EQ(problem.code, "value/no-backend") << problem.message;
      paths.push_back(problem.path);
    }
    return paths;
  }

  static constexpr std::string_view kRoute = "kind: HTTPRoute, name: web";
  static constexpr std::string_view kScript =
      "lua: [{type: Inline, inline: 'function envoy_on_request(h) h:respond({[\":status\"] = \"200\"}) "
      "end'}]";
  const std::vector<std::string> none_;
  const std::vector<std::string> both_{"spec.rules[0]", "spec.rules[1]"};
};

TEST_F(WarningsOfNoBackend, AreThoseOfRulesWithoutAnExtension) {
  EXPECT_EQ(paths(kRoute, kScript), none_);
  EXPECT_EQ(paths("kind: Gateway, name: gw", kScript), none_);
  EXPECT_EQ(paths("kind: Gateway, name: gw, sectionName: a", kScript), none_);
  EXPECT_EQ(paths("kind: Gateway, name: gw, sectionName: b", kScript), both_);
  EXPECT_EQ(paths("kind: HTTPRoute, name: web, sectionName: one", kScript),
            std::vector<std::string>{"spec.rules[1]"});
}

TEST_F(WarningsOfNoBackend, AreNoneWhereAModuleIsLateThatMayAnswer) {
  EXPECT_EQ(paths(kRoute, "wasm: [{name: m, code: {type: HTTP, http: {url: 'http://a.example/m.wasm'}}}]"),
            none_);
}

TEST_F(WarningsOfNoBackend, AreThoseOfRulesWhoseServiceIsNotToldOrNotHeard) {
  const auto service = [](std::string_view more) {
    return fmt::format("extProc: [{{backendRefs: [{{name: web, port: 80}}]{}}}]", more);
  };
  EXPECT_EQ(paths(kRoute, service(", processingMode: {request: {}}")), none_);
  EXPECT_EQ(paths(kRoute, service(", processingMode: {response: {}}")), none_);
  EXPECT_EQ(paths(kRoute, service("")), both_);
  EXPECT_EQ(paths(kRoute, service(", shadowMode: true, processingMode: {request: {}}")), both_);
}

// ---- streams -------------------------------------------------------------------------------------------

TEST_F(Warnings, OfStreamsWithoutABackend) {
  for (const std::string_view kind : {"TCPRoute", "UDPRoute"}) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: {}
metadata: {{name: none}}
spec: {{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{{name: web, port: 80, weight: 0}}]}}]}}
)",
                     kind));
  }
  feed(
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{name: http, port: 80}, {name: "
      "dns, port: 80, protocol: UDP}]}}");
  EXPECT_EQ(
      said(),
      "TCPRoute default/none spec.rules[0].backendRefs: the route has no backend with a weight above 0: "
      "every connection that it takes is closed; give one of them a `weight` [value/no-backend]\n"
      "UDPRoute default/none spec.rules[0].backendRefs: the route has no backend with a weight above 0: "
      "every datagram that it takes is dropped; give one of them a `weight` [value/no-backend]\n");
}

TEST_F(Warnings, OfASliceForAServiceThatIsNone) {
  feed(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: wep}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
)");
  EXPECT_EQ(said(),
            "EndpointSlice default/web-1 metadata.labels[kubernetes.io/service-name]: there is no Service "
            "default/wep: nothing is sent to the endpoints of the slice; did you mean `web`? "
            "[reference/service]\n");
}

// The certificates there are for shop.example.com and api.example.org.
TEST(CertificateNames, AreTheListeners) {
  source::Batch batch;
  const auto source = source::read_files({"test/golden/cases/https/in.yaml"}, &batch);
  const auto said_of = [&batch](const std::string& hostname, const char* other = "shop") {
    Pipeline pipeline{translate::Settings()};
    for (const api::BoundObject& object : batch.upserted) {
      const auto* gateway = std::get_if<std::shared_ptr<const api::Gateway>>(&object.object);
      if (gateway == nullptr) {
        pipeline.upsert(object);
        continue;
      }
      api::Gateway changed = **gateway;
      changed.spec.listeners.resize(1);
      changed.spec.listeners[0].hostname = hostname;
      changed.spec.listeners[0].tls->certificate_refs.resize(2);
      changed.spec.listeners[0].tls->certificate_refs[0].name = "shop";
      changed.spec.listeners[0].tls->certificate_refs[1].name = other;
      pipeline.upsert({object.key, object.api_version, std::make_shared<const api::Gateway>(changed)});
    }
    pipeline.commit();
    std::string all;
    for (const Problem& problem : pipeline.problems()) {
      if (problem.code != "value/certificate") continue;
      all += fmt::format("{}: {}; {}\n", problem.path, problem.message, problem.suggestion);
    }
    return all;
  };
  EXPECT_EQ(said_of("shop.example.com"), "");
  EXPECT_EQ(said_of("*.example.com"), "");
  EXPECT_EQ(said_of("api.example.org", "api"), "");
  EXPECT_EQ(said_of("www.example.com", "api"),
            "spec.listeners[0].tls.certificateRefs: each of the certificates is not for `www.example.com`: "
            "clients will refuse it; they are for `shop.example.com` and `api.example.org`\n");
}

}  // namespace
}  // namespace sluice::control

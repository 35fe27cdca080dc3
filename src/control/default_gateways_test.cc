// Default Gateways: which routes attach to them, what their statuses say, and that nobody else is run for it.

#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

std::string gateway(std::string_view name, std::string_view more, std::string_view listeners,
                    std::string_view gateway_class = "class") {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {}, namespace: infra}}
spec:
  gatewayClassName: {}
  {}
  listeners: [{}]
)",
                     name, gateway_class, more, listeners);
}

constexpr std::string_view kDefault = "defaultScope: All";
constexpr std::string_view kOpen =
    "{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}";
constexpr std::string_view kClosed = "{name: http, port: 8080, protocol: HTTP}";
constexpr std::string_view kTwo =
    "{name: one, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, "
    "{name: two, port: 9090, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}";

std::string route(std::string_view kind, std::string_view name, std::string_view parents) {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/{}
kind: {}
metadata: {{name: {}, namespace: apps}}
spec:
  {}
  rules: [{{backendRefs: [{{name: web, port: 80}}]}}]
)",
                     kind == "HTTPRoute" || kind == "GRPCRoute" ? "v1" : "v1alpha2", kind, name, parents);
}

constexpr std::string_view kAsks = "useDefaultGateways: All";

class DefaultGateways : public YamlPipeline {
 protected:
  // The result of an HTTPRoute in namespace apps.
  const translate::RouteResult& result(const std::string& name) const {
    return *pipeline_.routes().get({.kind = api::kind_of<api::HTTPRoute>(), .name = {"apps", name}});
  }

  // By parent, whether it accepts the route: "infra/one" → "Accepted=True/Accepted".
  std::map<std::string, std::string> parents(const std::string& name,
                                             const GroupKind& kind = api::kind_of<api::HTTPRoute>()) const {
    std::map<std::string, std::string> all;
    const translate::ObjectStatus* of = status(kind, {"apps", name});
    if (of == nullptr) return all;
    for (const auto& [ref, conditions] : of->parents) {
      std::string parent = fmt::format("{}/{}", ref.namespace_.value_or(""), ref.name);
      if (ref.section_name) parent += "/" + *ref.section_name;
      const translate::Condition* accepted = translate::find_condition(conditions, "Accepted");
      EXPECT_TRUE(all.emplace(parent, text({*accepted})).second) << parent << " twice";
    }
    return all;
  }

  std::string problems() const {
    std::string all;
    for (const Problem& p : pipeline_.problems()) {
      if (p.code != "reference/parent") continue;
      all += fmt::format("{} {}: {}; {}\n", p.object.name.name, p.path, p.message, p.suggestion);
    }
    return all;
  }

  std::size_t attached(const std::string& name, std::size_t listener) const {
    return status(api::kind_of<api::Gateway>(), {"infra", name})->listeners.at(listener).attached_routes;
  }
};

using Texts = std::map<std::string, std::string>;

TEST_F(DefaultGateways, TakeRoutesThatAskForThemAndNoOthers) {
  feed(gateway("one", kDefault, kOpen));
  feed(gateway("two", kDefault, kOpen));
  feed(gateway("other", "", kOpen));
  feed(gateway("none", "defaultScope: None", kOpen));
  feed(route("HTTPRoute", "asks", kAsks));
  feed(route("HTTPRoute", "asks-for-none", "useDefaultGateways: None"));
  feed(route("HTTPRoute", "asks-for-nothing", "parentRefs: [{name: other, namespace: infra}]"));
  pipeline_.commit();
  EXPECT_EQ(parents("asks"),
            (Texts{{"infra/one", "Accepted=True/Accepted"}, {"infra/two", "Accepted=True/Accepted"}}));
  EXPECT_EQ(parents("asks-for-none"), Texts());
  EXPECT_EQ(parents("asks-for-nothing"), (Texts{{"infra/other", "Accepted=True/Accepted"}}));
  EXPECT_EQ(attached("one", 0), 1U);
  EXPECT_EQ(attached("other", 0), 1U);
  EXPECT_EQ(problems(),
            "asks-for-none spec.parentRefs: the route has no parentRefs: it is attached to nothing; "
            "name a Gateway in `parentRefs`\n");
}

TEST_F(DefaultGateways, SayThatTheyAre) {
  feed(gateway("one", kDefault, kOpen));
  feed(gateway("none", "defaultScope: None", kOpen));
  pipeline_.commit();
  const auto conditions = [this](const char* name) {
    return text(status(api::kind_of<api::Gateway>(), {"infra", name})->conditions);
  };
  EXPECT_EQ(conditions("one"), "DefaultGateway=True/DefaultGateway");
  EXPECT_EQ(conditions("none"), "");
}

TEST_F(DefaultGateways, ThatAreNamedByTheRouteAreNoParentsTwice) {
  feed(gateway("one", kDefault, kTwo));
  feed(gateway("other", "", kOpen));
  feed(
      route("HTTPRoute", "whole",
            "useDefaultGateways: All\n  parentRefs: [{name: one, namespace: infra}, {name: other, namespace: "
            "infra}]"));
  feed(route("HTTPRoute", "section",
             "useDefaultGateways: All\n  parentRefs: [{name: one, namespace: infra, sectionName: two}]"));
  pipeline_.commit();
  const std::string accepted = "Accepted=True/Accepted";
  EXPECT_EQ(parents("whole"), (Texts{{"infra/one", accepted}, {"infra/other", accepted}}));
  // As if the Gateway were named beside its listener: all of its listeners have the route, each once.
  EXPECT_EQ(parents("section"), (Texts{{"infra/one", accepted}, {"infra/one/two", accepted}}));
  EXPECT_EQ(attached("one", 0), 2U);
  EXPECT_EQ(attached("one", 1), 2U);
  EXPECT_EQ(result("section").contributions.size(), 2U);
}

TEST_F(DefaultGateways, TakeRoutesOfEveryKind) {
  feed(gateway("one", kDefault,
               "{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, "
               "{name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {namespaces: "
               "{from: All}}}, "
               "{name: tcp, port: 7000, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}, "
               "{name: udp, port: 7000, protocol: UDP, allowedRoutes: {namespaces: {from: All}}}"));
  feed(route("GRPCRoute", "grpc", kAsks));
  feed(route("TLSRoute", "tls", "useDefaultGateways: All\n  hostnames: [a.example]"));
  feed(route("TCPRoute", "tcp", kAsks));
  feed(route("UDPRoute", "udp", kAsks));
  pipeline_.commit();
  const Texts accepted{{"infra/one", "Accepted=True/Accepted"}};
  EXPECT_EQ(parents("grpc", api::kind_of<api::GRPCRoute>()), accepted);
  EXPECT_EQ(parents("tls", api::kind_of<api::TLSRoute>()), accepted);
  EXPECT_EQ(parents("tcp", api::kind_of<api::TCPRoute>()), accepted);
  EXPECT_EQ(parents("udp", api::kind_of<api::UDPRoute>()), accepted);
  for (std::size_t listener = 0; listener < 4; ++listener) EXPECT_EQ(attached("one", listener), 1U);
}

// ---- routes that a default Gateway does not take -----------------------------------------------------

TEST_F(DefaultGateways, LetInOnlyWhatTheirListenersAllow) {
  feed(gateway("closed", kDefault, kClosed));
  feed(route("HTTPRoute", "asks", kAsks));
  pipeline_.commit();
  EXPECT_EQ(parents("asks"), (Texts{{"infra/closed", "Accepted=False/NotAllowedByListeners"}}));
  EXPECT_EQ(
      problems(),
      "asks spec.useDefaultGateways: no listener of the default Gateway infra/closed takes HTTPRoutes of "
      "namespace apps; listener `http` takes those of namespace infra: set its "
      "`allowedRoutes.namespaces`\n");
  // Where another one takes the route, that is no problem of the route, but its status says it.
  feed(gateway("open", kDefault, kOpen));
  pipeline_.commit();
  EXPECT_EQ(parents("asks"), (Texts{{"infra/closed", "Accepted=False/NotAllowedByListeners"},
                                    {"infra/open", "Accepted=True/Accepted"}}));
  EXPECT_EQ(problems(), "");
}

TEST_F(DefaultGateways, ThatTakeOtherKindsOrHostsSayWhich) {
  feed(gateway("one", kDefault,
               "{name: http, port: 8080, protocol: HTTP, hostname: a.example, allowedRoutes: {namespaces: "
               "{from: All}}}"));
  feed(route("TCPRoute", "tcp", kAsks));
  feed(route("HTTPRoute", "host", "useDefaultGateways: All\n  hostnames: [b.example]"));
  pipeline_.commit();
  EXPECT_EQ(
      problems(),
      "host spec.useDefaultGateways: no hostname of the route is one of a listener of the default Gateway "
      "infra/one; those of the listeners are `a.example`\n"
      "tcp spec.useDefaultGateways: no listener of the default Gateway infra/one takes TCPRoutes; "
      "it needs a listener of protocol TLS or TCP\n");
}

TEST_F(DefaultGateways, AreMissedWhereThereIsNone) {
  feed(gateway("other", "", kOpen));
  feed(route("HTTPRoute", "asks", kAsks));
  feed(route("HTTPRoute", "names",
             "useDefaultGateways: All\n  parentRefs: [{name: other, namespace: infra}]"));
  pipeline_.commit();
  EXPECT_EQ(parents("asks"), Texts());
  EXPECT_EQ(
      problems(),
      "asks spec.useDefaultGateways: there is no default Gateway: the route is attached to nothing; set "
      "`defaultScope: All` on a Gateway, or name one in `parentRefs`\n");
  // That of another controller will take the route: its status is none of our business, nor is it missed.
  feed(gateway("theirs", kDefault, kOpen, "of-others"));
  pipeline_.commit();
  EXPECT_EQ(parents("asks"), Texts());
  EXPECT_EQ(problems(), "");
}

// ---- what a change runs ----------------------------------------------------------------------------

TEST_F(DefaultGateways, ThatComeAndGoConcernOnlyRoutesThatAsk) {
  feed(gateway("one", "", kOpen));
  feed(route("HTTPRoute", "asks", kAsks));
  for (int i = 0; i < 5; ++i) {
    feed(route("HTTPRoute", fmt::format("names-{}", i), "parentRefs: [{name: one, namespace: infra}]"));
  }
  feed(route("TCPRoute", "tcp", "parentRefs: [{name: one, namespace: infra}]"));
  pipeline_.commit();

  feed(gateway("one", kDefault, kOpen));
  flow::CommitStats stats = pipeline_.commit();
  EXPECT_EQ(stats.of("http routes").runs, 1U) << "a Gateway becomes a default one";
  EXPECT_EQ(stats.of("tcp routes").runs, 0U);
  EXPECT_EQ(stats.of("listeners").runs, 0U);
  EXPECT_EQ(parents("asks").size(), 1U);

  feed(gateway("two", kDefault, kOpen));
  stats = pipeline_.commit();
  EXPECT_EQ(stats.of("http routes").runs, 1U) << "a default Gateway comes";
  EXPECT_EQ(parents("asks").size(), 2U);

  pipeline_.erase({.kind = api::kind_of<api::Gateway>(), .name = {"infra", "two"}});
  feed(gateway("one", "", kOpen));
  stats = pipeline_.commit();
  EXPECT_EQ(stats.of("http routes").runs, 1U) << "all of them go";
  EXPECT_EQ(parents("asks"), Texts());
  EXPECT_EQ(attached("one", 0), 5U);
}

}  // namespace
}  // namespace sluice::control

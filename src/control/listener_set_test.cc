// ListenerSets: what they add to their Gateway, and that they never harm it.

#include <map>
#include <set>
#include <string>

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
  allowedListeners: {namespaces: {from: Same}}
  listeners:
  - {name: own, port: 8080, protocol: HTTP, hostname: own.example}
)";

std::string listener_set(std::string_view name, std::string_view created, std::string_view listeners,
                         std::string_view namespace_ = "default") {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {{name: {}, namespace: {}{}}}
spec:
  parentRef: {{name: gateway, namespace: default}}
  listeners:
{})",
                     name, namespace_,
                     created.empty() ? std::string() : fmt::format(", creationTimestamp: \"{}\"", created),
                     listeners);
}

std::string http_route(std::string_view name, std::string_view parent) {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {}}}
spec:
  parentRefs: [{}]
  rules: [{{backendRefs: [{{name: web, port: 80}}]}}]
)",
                     name, parent);
}

class ListenerSets : public YamlPipeline {
 protected:
  ListenerSets() { feed(kGateway); }

  std::map<std::string, std::string> conditions_of_set(const NamespacedName& name) const {
    std::map<std::string, std::string> all;
    const translate::ObjectStatus* of_set = status(api::kind_of<api::ListenerSet>(), name);
    if (of_set == nullptr) return all;
    all[""] = text(of_set->conditions);
    for (const translate::ListenerStatus& listener : of_set->listeners) {
      all[listener.name] = text(listener.conditions);
    }
    return all;
  }

  // By route table, the hosts that it has.
  std::map<std::string, std::set<std::string>> hosts_of(const NamespacedName& route) const {
    std::map<std::string, std::set<std::string>> hosts;
    const translate::RouteResult* result =
        pipeline_.routes().get({.kind = api::kind_of<api::HTTPRoute>(), .name = route});
    for (const auto& [host, contribution] : result->contributions) hosts[host.table].insert(host.host);
    return hosts;
  }
};

constexpr std::string_view kServed =
    "Programmed=True/Programmed Accepted=True/Accepted Conflicted=False/NoConflicts "
    "ResolvedRefs=True/ResolvedRefs";
constexpr std::string_view kHostnameConflict =
    "Conflicted=True/HostnameConflict Accepted=False/HostnameConflict Programmed=False/HostnameConflict "
    "ResolvedRefs=True/ResolvedRefs";

using Texts = std::map<std::string, std::string>;
using Hosts = std::map<std::string, std::set<std::string>>;

TEST_F(ListenerSets, TheOlderOneWinsAndTheGatewayAlways) {
  feed(listener_set("a-young", "2026-02-01T00:00:00Z", R"(
  - {name: one, port: 8080, protocol: HTTP, hostname: own.example}
  - {name: two, port: 8080, protocol: HTTP, hostname: set.example}
  - {name: three, port: 9090, protocol: HTTP}
)"));
  feed(listener_set("z-old", "2026-01-01T00:00:00Z", R"(
  - {name: two, port: 8080, protocol: HTTP, hostname: set.example}
)"));
  pipeline_.commit();
  EXPECT_EQ(
      conditions_of_set({"default", "z-old"}),
      (Texts{{"", "Accepted=True/Accepted Programmed=True/Programmed"}, {"two", std::string(kServed)}}));
  EXPECT_EQ(conditions_of_set({"default", "a-young"}),
            (Texts{{"", "Accepted=True/ListenersNotValid Programmed=True/Programmed"},
                   {"one", std::string(kHostnameConflict)},
                   {"two", std::string(kHostnameConflict)},
                   {"three", std::string(kServed)}}));
  const translate::ObjectStatus* gateway = status(api::kind_of<api::Gateway>(), {"default", "gateway"});
  ASSERT_NE(gateway, nullptr);
  EXPECT_EQ(gateway->attached_listener_sets, 2U);
  ASSERT_EQ(gateway->listeners.size(), 1U);
  EXPECT_EQ(text(gateway->listeners[0].conditions),
            "Programmed=True/Programmed Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs");
  // Each loser knows with whom it clashes, and nobody else has a problem.
  const std::vector<Problem> problems = pipeline_.problems();
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(
      problems[0].object.to_string() + " " + problems[0].path + ": " + problems[0].message,
      "ListenerSet default/a-young spec.listeners[0]: the listeners of one port need different hostnames: "
      "default/a-young/one, default/gateway/own");

  // The winner goes: the next one takes its place.
  pipeline_.erase({.kind = api::kind_of<api::ListenerSet>(), .name = {"default", "z-old"}});
  pipeline_.commit();
  EXPECT_EQ(conditions_of_set({"default", "a-young"})["two"], kServed);
  EXPECT_EQ(pipeline_.problems().size(), 1U);
}

TEST_F(ListenerSets, RoutesAttachToTheSetOrToTheGateway) {
  feed(listener_set("set", "", "  - {name: own, port: 9090, protocol: HTTP}\n"));
  feed(http_route("to-set", "{kind: ListenerSet, name: set}"));
  feed(http_route("to-section", "{kind: ListenerSet, name: set, sectionName: own, port: 9090}"));
  feed(http_route("to-gateway", "{name: gateway}"));
  feed(http_route("to-nothing", "{kind: ListenerSet, name: set, sectionName: other}"));
  pipeline_.commit();
  EXPECT_EQ(hosts_of({"default", "to-set"}), (Hosts{{"default/gateway:9090", {"*"}}}));
  EXPECT_EQ(hosts_of({"default", "to-section"}), (Hosts{{"default/gateway:9090", {"*"}}}));
  EXPECT_EQ(hosts_of({"default", "to-gateway"}), (Hosts{{"default/gateway:8080", {"own.example"}}}));
  EXPECT_EQ(hosts_of({"default", "to-nothing"}), Hosts());
  const translate::ObjectStatus* set = status(api::kind_of<api::ListenerSet>(), {"default", "set"});
  ASSERT_EQ(set->listeners.size(), 1U);
  EXPECT_EQ(set->listeners[0].attached_routes, 2U);
  EXPECT_EQ(status(api::kind_of<api::Gateway>(), {"default", "gateway"})->listeners[0].attached_routes, 1U);
}

TEST_F(ListenerSets, TheGatewayLetsThemIn) {
  feed(listener_set("set", "", "  - {name: one, port: 9090, protocol: HTTP}\n", "elsewhere"));
  feed(http_route("route", "{kind: ListenerSet, name: set, namespace: elsewhere}"));
  pipeline_.commit();
  EXPECT_EQ(conditions_of_set({"elsewhere", "set"}),
            (Texts{{"", "Accepted=False/NotAllowed Programmed=False/NotAllowed"}}));
  EXPECT_EQ(status(api::kind_of<api::Gateway>(), {"default", "gateway"})->attached_listener_sets, 0U);
  EXPECT_EQ(status(api::kind_of<api::HTTPRoute>(), {"default", "route"}), nullptr);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).size(), 1U);
}

TEST_F(ListenerSets, ReferencesStartAtTheSet) {
  std::string open(kGateway);
  open.replace(open.find("from: Same"), 10, "from: All");
  feed(open);
  const std::string https = R"(
  - {name: one, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: default}]}}
)";
  const auto grant = [&](std::string_view kind) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {{name: grant}}
spec:
  from: [{{group: gateway.networking.k8s.io, kind: {}, namespace: elsewhere}}]
  to: [{{group: "", kind: Secret}}]
)",
                     kind));
    pipeline_.commit();
    return conditions_of_set({"elsewhere", "set"})["one"];
  };
  feed(listener_set("set", "", https, "elsewhere"));
  EXPECT_TRUE(grant("Gateway").starts_with("ResolvedRefs=False/RefNotPermitted")) << grant("Gateway");
  EXPECT_TRUE(grant("ListenerSet").starts_with("ResolvedRefs=False/InvalidCertificateRef"))
      << grant("ListenerSet");
}

TEST_F(ListenerSets, AnEditCostsThePlanOfItsProxy) {
  for (int i = 0; i < 50; ++i) {
    feed(listener_set(fmt::format("s{}", i), "",
                      fmt::format("  - {{name: l, port: {}, protocol: HTTP}}\n", 9000 + i)));
    feed(http_route(fmt::format("r{}", i), fmt::format("{{kind: ListenerSet, name: s{}}}", i)));
  }
  pipeline_.commit();
  feed(listener_set("s7", "", "  - {name: l, port: 9007, protocol: HTTP, hostname: a.example}\n"));
  std::map<std::string_view, unsigned> runs;
  for (const flow::StageStats& stage : pipeline_.commit().stages) {
    if (stage.runs > 0) runs[stage.name] = stage.runs;
  }
  EXPECT_EQ(runs["listener sets"], 1U);
  EXPECT_EQ(runs["gateways"], 0U) << "the Gateway by itself";
  EXPECT_EQ(runs["proxies"], 1U);
  EXPECT_EQ(runs["http routes"], 1U);
  EXPECT_EQ(runs["route tables"], 1U);
  EXPECT_EQ(runs["statuses of listener sets"], 1U);
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).changes().size(), 0U)
      << "a hostname of HTTP is one of routes";
}

TEST_F(ListenerSets, ARefusedOneKeepsItsLastGoodVersion) {
  const ObjectKey set = feed(listener_set("set", "", "  - {name: one, port: 9090, protocol: HTTP}\n"));
  pipeline_.commit();
  const std::optional<api::Object> good = pipeline_.object(set);
  feed(listener_set("set", "", "  - {name: one, port: 9191, protocol: HTTP}\n"));
  pipeline_.commit();
  const auto suspects = pipeline_.changed_contributors();
  ASSERT_EQ(suspects.size(), 1U) << "not the Gateway";
  EXPECT_EQ(suspects[0].object, set);
  EXPECT_EQ(suspects[0].aggregates, std::set<std::string>{"default/gateway"});
  const auto ports = [&] {
    pipeline_.commit();
    return pipeline_.proxies().get("default/gateway")->proxy.ports;
  };
  const auto refuse = [&](const std::optional<api::Object>& last_good) {
    pipeline_.refuse(set, std::make_shared<const Refusal>(Refusal{
                              .refused = *pipeline_.object(set), .last_good = last_good, .message = "no"}));
  };
  refuse(good);
  EXPECT_EQ(ports(), (std::vector<std::uint16_t>{8080, 9090}));
  EXPECT_EQ(conditions_of_set(set.name)[""], "Programmed=False/RejectedByProxy Accepted=True/Accepted");
  refuse(std::nullopt);
  EXPECT_EQ(ports(), std::vector<std::uint16_t>{8080});
  EXPECT_EQ(conditions_of_set(set.name)[""],
            "Accepted=False/RejectedByProxy Programmed=False/RejectedByProxy");
  pipeline_.refuse(set, nullptr);
  EXPECT_EQ(ports(), (std::vector<std::uint16_t>{8080, 9191}));
}

}  // namespace
}  // namespace sluice::control

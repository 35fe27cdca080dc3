// Sockets of several proxies at one port of a host.

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

class Ports : public YamlPipeline {
 protected:
  explicit Ports(translate::Settings with = settings()) : YamlPipeline(std::move(with)) {
    pipeline_.set_host({.all = {"10.0.0.5", "127.0.0.1"}, .primary = {"10.0.0.5"}});
  }

  // A Gateway with one listener called `web`.
  void gateway(std::string_view name, std::string_view listener, std::string_view more = "",
               std::string_view born = "") {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {}{}}}
spec:
  gatewayClassName: class
  allowedListeners: {{namespaces: {{from: Same}}}}
  listeners: [{{name: web, {}}}]
  {}
)",
                     name, born.empty() ? "" : fmt::format(", creationTimestamp: {}", born), listener, more));
    pipeline_.commit();
  }

  void remove(std::string_view name) {
    pipeline_.erase({.kind = api::kind_of<api::Gateway>(), .name = {"default", std::string(name)}});
    pipeline_.commit();
  }

  // "0.0.0.0:80 127.0.0.1:81/udp" of one's proxy.
  std::string sockets(std::string_view name) const {
    std::string all;
    const translate::ProxyPlan* plan = pipeline_.proxies().get(fmt::format("default/{}", name));
    for (const translate::SocketPlan& socket : plan->sockets) {
      if (!all.empty()) all += ' ';
      all += fmt::format("{}:{}{}", socket.listener.address, socket.listener.port,
                         socket.listener.udp ? "/udp" : "");
    }
    return all;
  }

  std::string said(std::string_view name) const {
    const auto* of = status(api::kind_of<api::Gateway>(), {"default", std::string(name)});
    return text(of->listeners.at(0).conditions);
  }

  std::size_t listeners(std::string_view proxy) const {
    std::size_t count = 0;
    for (const translate::XdsKey& key : pipeline_.resources(xds::ResourceType::kListener).sorted_keys()) {
      if (key.proxy == fmt::format("default/{}", proxy)) ++count;
    }
    return count;
  }
};

constexpr std::string_view kHttp = "port: 80, protocol: HTTP";
constexpr std::string_view kServed =
    "Programmed=True/Programmed Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs";
constexpr std::string_view kRefused =
    "Programmed=False/Invalid Accepted=False/PortUnavailable ResolvedRefs=True/ResolvedRefs";

TEST_F(Ports, BelongToTheOldestGateway) {
  gateway("a", kHttp, "", "2026-02-02T00:00:00Z");
  gateway("b", kHttp, "", "2026-01-01T00:00:00Z");
  gateway("c", kHttp);
  EXPECT_EQ(sockets("a") + "|" + sockets("b") + "|" + sockets("c"), "|0.0.0.0:80|");
  EXPECT_EQ(listeners("a"), 0U);
  EXPECT_EQ(listeners("b"), 1U);
  EXPECT_EQ(said("a"), kRefused);
  EXPECT_EQ(said("b"), kServed);
  EXPECT_TRUE(pipeline_.proxies().get("default/a")->proxy.ports.empty());

  // When it goes, the next has it.
  remove("b");
  EXPECT_EQ(sockets("a") + "|" + sockets("c"), "0.0.0.0:80|");
  EXPECT_EQ(said("a"), kServed);
}

TEST_F(Ports, AreToldOfWithBothPlaces) {
  gateway("a", kHttp);
  gateway("b", kHttp);
  ASSERT_EQ(pipeline_.problems().size(), 1U);
  const Problem problem = pipeline_.problems()[0];
  EXPECT_EQ(
      problem.code + " " + problem.object.to_string() + " " + problem.path + ": " + problem.message,
      "conflict/listener Gateway default/b spec.listeners[0]: port 80 of this host is taken by listener "
      "default/a/web, which another Envoy serves");
  ASSERT_EQ(problem.also.size(), 1U);
  EXPECT_EQ(problem.also[0].object.to_string() + " " + problem.also[0].path,
            "Gateway default/a spec.listeners[0]");
  gateway("b", "port: 81, protocol: HTTP");
  EXPECT_TRUE(pipeline_.problems().empty());
  EXPECT_EQ(sockets("b"), "0.0.0.0:81");
}

TEST_F(Ports, OfDatagramsAndOfConnectionsAreTwo) {
  gateway("a", "port: 53, protocol: TCP");
  gateway("b", "port: 53, protocol: UDP");
  EXPECT_EQ(sockets("a") + " " + sockets("b"), "0.0.0.0:53 0.0.0.0:53/udp");
  EXPECT_TRUE(pipeline_.problems().empty());
}

TEST_F(Ports, AreClaimedAtAddresses) {
  gateway("all", kHttp);
  gateway("one", kHttp, "addresses: [{value: 10.0.0.5}]");
  EXPECT_EQ(sockets("all") + " " + sockets("one"), "0.0.0.0:80 10.0.0.5:80")
      << "what is for the address goes to the socket that is bound to it";
  gateway("two", kHttp, "addresses: [{value: 127.0.0.1}, {value: 10.0.0.5}]");
  EXPECT_EQ(sockets("two"), "") << "a socket gives way as a whole";
  // What gives way is in nobody's way.
  gateway("zwei", kHttp, "addresses: [{value: 127.0.0.1}]");
  EXPECT_EQ(sockets("zwei"), "127.0.0.1:80");
}

TEST_F(Ports, OfBothFamiliesAreClaimedInBoth) {
  feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: dual}
spec: {ipFamily: DualStack}
)");
  feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: six}
spec: {ipFamily: IPv6}
)");
  const auto of = [](std::string_view name) {
    return fmt::format(
        "infrastructure: {{parametersRef: {{group: gateway.envoyproxy.io, kind: EnvoyProxy, "
        "name: {}}}}}",
        name);
  };
  gateway("a", kHttp);
  gateway("b", kHttp, of("six"));
  gateway("c", kHttp, of("dual"));
  EXPECT_EQ(sockets("a") + "|" + sockets("b") + "|" + sockets("c"), "0.0.0.0:80|:::80|");
  remove("b");
  EXPECT_EQ(sockets("c"), "") << "it would be without the connections of IPv4";
}

TEST_F(Ports, AreNotTakenByListenerSets) {
  gateway("a", "port: 81, protocol: HTTP");
  gateway("b", kHttp);
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set}
spec:
  parentRef: {name: a}
  listeners: [{name: more, port: 80, protocol: HTTP}]
)");
  pipeline_.commit();
  EXPECT_EQ(sockets("a") + "|" + sockets("b"), "0.0.0.0:81|0.0.0.0:80");
  const auto* set = status(api::kind_of<api::ListenerSet>(), {"default", "set"});
  EXPECT_EQ(text(set->listeners.at(0).conditions),
            "Programmed=False/PortUnavailable Accepted=False/PortUnavailable Conflicted=False/NoConflicts "
            "ResolvedRefs=True/ResolvedRefs");
  EXPECT_EQ(text(set->conditions), "Accepted=False/ListenersNotValid Programmed=False/ListenersNotValid");
}

TEST_F(Ports, ThatGiveWayTakeTheirRouteTablesWithThem) {
  gateway("a", kHttp);
  gateway("b", kHttp);
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec: {parentRefs: [{name: b}], rules: [{}]}
)");
  pipeline_.commit();
  for (const translate::XdsKey& key : pipeline_.resources(xds::ResourceType::kRoutes).sorted_keys()) {
    EXPECT_EQ(key.proxy, "default/a");
  }
}

// A change of one port concerns the proxies at that port.
TEST_F(Ports, CostNothingAtOtherPorts) {
  for (int i = 0; i < 50; ++i)
    gateway(fmt::format("g{:02}", i), fmt::format("port: {}, protocol: HTTP", 1000 + i));
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g01}
spec: {gatewayClassName: class, listeners: [{name: web, port: 2000, protocol: HTTP}]}
)");
  const auto one = pipeline_.commit().runs;
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g01}
spec: {gatewayClassName: class, listeners: [{name: web, port: 1002, protocol: HTTP}]}
)");
  pipeline_.commit();
  EXPECT_EQ(sockets("g02"), "");
  EXPECT_EQ(pipeline_.proxies().changes().size(), 2U);
  EXPECT_LT(one, 30U);
}

class PortsInACluster : public Ports {
 protected:
  PortsInACluster() : Ports(in_a_cluster()) {}

  static translate::Settings in_a_cluster() {
    translate::Settings with = settings();
    with.on_host = false;
    return with;
  }
};

TEST_F(PortsInACluster, BelongToEachProxy) {
  gateway("a", kHttp);
  gateway("b", kHttp);
  EXPECT_EQ(sockets("a") + " " + sockets("b"), "0.0.0.0:10080 0.0.0.0:10080");
  EXPECT_TRUE(pipeline_.problems().empty());
}

}  // namespace
}  // namespace sluice::control

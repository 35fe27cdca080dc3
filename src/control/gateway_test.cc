// What a Gateway says beside its listeners: its class, certificates of clients, addresses, labels for what
// runs it.

#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

class Gateways : public YamlPipeline {
 protected:
  void feed_gateway(std::string_view spec) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec:
  gatewayClassName: class
  listeners: [{{name: http, port: 8080, protocol: HTTP}}]
{})",
                     spec));
    pipeline_.commit();
  }

  const translate::ObjectStatus& status() const {
    return *YamlPipeline::status(api::kind_of<api::Gateway>(), {"default", "gateway"});
  }

  // "127.0.0.2 127.0.0.3", or nothing where there is no socket.
  std::string bound() const {
    std::string all;
    const translate::ProxyPlan* plan = pipeline_.proxies().get("default/gateway");
    for (const translate::SocketPlan& socket : plan->sockets) {
      all += socket.listener.address;
      for (const std::string& more : socket.listener.more_addresses) all += " " + more;
    }
    return all;
  }
};

TEST_F(Gateways, AreBoundToTheAddressesThatTheyAskFor) {
  pipeline_.set_host({.all = {"10.0.0.5", "127.0.0.1", "::1"}, .primary = {"10.0.0.5"}});
  feed_gateway("");
  EXPECT_EQ(bound(), "0.0.0.0");
  feed_gateway("  addresses: [{value: 127.0.0.3}, {value: 127.0.0.2}]");
  EXPECT_EQ(bound(), "127.0.0.2 127.0.0.3");
  feed_gateway("  addresses: [{value: '0:0:0::1'}]");
  EXPECT_EQ(bound(), "::1");
  feed_gateway("  addresses: [{value: 127.0.0.3}, {type: IPAddress}]");
  EXPECT_EQ(bound(), "0.0.0.0") << "one without a value is any";
  EXPECT_TRUE(pipeline_.problems().empty());
}

TEST_F(Gateways, AreServedAndNotAcceptedWhereTheirParametersAreNoEnvoyProxyThatIsThere) {
  for (const char* const ref : {"group: invalid.io, kind: Parameters, name: some",
                                "group: gateway.envoyproxy.io, kind: EnvoyProxy, name: missing"}) {
    feed_gateway(fmt::format("  infrastructure: {{parametersRef: {{{}}}}}", ref));
    pipeline_.set_proxy_state("default/gateway", {true, true, ""});
    pipeline_.commit();
    EXPECT_EQ(text(status().conditions), "Accepted=False/InvalidParameters Programmed=True/Programmed")
        << ref;
    EXPECT_EQ(bound(), "0.0.0.0") << ref;
  }
}

TEST_F(Gateways, AreOpenToNobodyWhereNoAddressCanBeUsed) {
  pipeline_.set_host({.all = {"10.0.0.5", "127.0.0.1"}, .primary = {"10.0.0.5"}});
  feed_gateway("  addresses: [{value: 10.0.0.6}, {value: 10.0.0.5}]");
  EXPECT_EQ(bound(), "10.0.0.5");
  EXPECT_EQ(text(status().conditions), "Programmed=False/AddressNotUsable");
  ASSERT_EQ(pipeline_.problems().size(), 1U);
  EXPECT_EQ(pipeline_.problems()[0].path + ": " + pipeline_.problems()[0].message + "; " +
                pipeline_.problems()[0].suggestion,
            "spec.addresses[0].value: 10.0.0.6 is no address of this host; it has 10.0.0.5, 127.0.0.1");

  feed_gateway("  addresses: [{value: 10.0.0.6}]");
  EXPECT_EQ(bound(), "");
  EXPECT_EQ(text(status().listeners[0].conditions),
            "Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs");

  // The address comes.
  pipeline_.set_host({.all = {"10.0.0.5", "10.0.0.6"}, .primary = {"10.0.0.5"}});
  pipeline_.commit();
  EXPECT_EQ(bound(), "10.0.0.6");
  EXPECT_TRUE(pipeline_.problems().empty());
}

TEST_F(Gateways, GetNoNamesOnAHost) {
  feed_gateway("  addresses: [{type: Hostname, value: web.example}]");
  EXPECT_EQ(bound(), "0.0.0.0");
  EXPECT_EQ(text(status().conditions), "Programmed=False/AddressNotUsable");
  feed_gateway("  addresses: [{type: Hostname}]");
  EXPECT_EQ(text(status().conditions), "Programmed=False/AddressNotAssigned");
  feed_gateway("  addresses: [{type: NamedAddress, value: web}]");
  EXPECT_EQ(bound(), "");
  EXPECT_EQ(text(status().conditions), "Accepted=False/UnsupportedAddress");
}

TEST_F(Gateways, SayByWhichAddressesTheyAreReached) {
  pipeline_.set_host({.all = {"10.0.0.5", "127.0.0.1"}, .primary = {"10.0.0.5"}});
  feed_gateway("");
  EXPECT_TRUE(status().addresses.empty()) << "nobody serves it yet";
  pipeline_.set_proxy_state("default/gateway", {.ready = true, .programmed = true, .message = ""});
  pipeline_.commit();
  EXPECT_EQ(status().addresses, std::vector<std::string>{"10.0.0.5"});
  feed_gateway("  addresses: [{value: 127.0.0.1}]");
  EXPECT_EQ(status().addresses, std::vector<std::string>{"127.0.0.1"});
}

TEST_F(Gateways, KeepLabelsForWhatRunsThem) {
  feed_gateway("  infrastructure: {labels: {team: a}, annotations: {note: b}}");
  const ir::Proxy& proxy = pipeline_.proxies().get("default/gateway")->proxy;
  EXPECT_EQ(proxy.labels.at("team") + proxy.annotations.at("note"), "ab");
}

// Where privileged ports are shifted.
class GatewaysInACluster : public YamlPipeline {
 protected:
  GatewaysInACluster() : YamlPipeline(in_a_cluster()) {}

  static translate::Settings in_a_cluster() {
    translate::Settings with = settings();
    with.on_host = false;
    return with;
  }

  // The conditions of each listener, by name.
  std::map<std::string, std::string> said(std::string_view listeners) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec: {{gatewayClassName: class, allowedListeners: {{namespaces: {{from: Same}}}}, listeners: [{}]}}
)",
                     listeners));
    pipeline_.commit();
    std::map<std::string, std::string> all;
    for (const translate::ListenerStatus& listener :
         status(api::kind_of<api::Gateway>(), {"default", "gateway"})->listeners) {
      all[listener.name] = text(listener.conditions);
    }
    return all;
  }

  std::set<std::string> sockets() const {
    std::set<std::string> names;
    for (const translate::SocketPlan& socket : pipeline_.proxies().get("default/gateway")->sockets) {
      names.insert(socket.listener.name);
    }
    return names;
  }
};

constexpr std::string_view kServedListener =
    "Programmed=True/Programmed Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs";
// All of them are in each other's way: all names in each message would be the square of the text.
TEST_F(Gateways, NameSomeOfManyListenersThatConflict) {
  std::string listeners;
  for (int i = 0; i < 64; ++i) {
    listeners += fmt::format("  - {{name: l{:02}, port: 80, protocol: HTTP, hostname: a.example}}\n", i);
  }
  // An API server lets them pass that has been told to skip its rules.
  std::vector<Problem> none;
  const std::vector<Document> documents = parse(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec:
  gatewayClassName: class
  listeners:
{})",
                                                            listeners),
                                                "", &none);
  pipeline_.upsert(api::read_object(documents.at(0).tree, api::Trust::kFromServer).bound.value());
  pipeline_.commit();
  const translate::Condition* conflict = find_condition(status().listeners.at(63).conditions, "Conflicted");
  ASSERT_NE(conflict, nullptr);
  EXPECT_TRUE(conflict->message.starts_with(
      "the listeners of one port need different hostnames: default/gateway/l00, "))
      << conflict->message;
  EXPECT_TRUE(conflict->message.ends_with("default/gateway/l15, default/gateway/l63 and others"))
      << conflict->message;
  const std::vector<Problem> problems = pipeline_.problems();
  ASSERT_EQ(problems.size(), 64U);
  for (const Problem& problem : problems) EXPECT_EQ(problem.also.size(), 16U);
}

constexpr std::string_view kPortUnavailable =
    "Accepted=False/PortUnavailable Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs";

using Texts = std::map<std::string, std::string>;

TEST_F(GatewaysInACluster, DoNotMixAPrivilegedPortWithThePortThatItIsBoundAt) {
  EXPECT_EQ(said("{name: web, port: 80, protocol: HTTP, hostname: a.example}, "
                 "{name: alt, port: 10080, protocol: HTTP, hostname: b.example}, "
                 "{name: other, port: 8080, protocol: HTTP}"),
            (Texts{{"web", std::string(kPortUnavailable)},
                   {"alt", std::string(kPortUnavailable)},
                   {"other", std::string(kServedListener)}}));
  EXPECT_EQ(sockets(), std::set<std::string>{"default/gateway:8080"});
}

TEST_F(GatewaysInACluster, TellEachOfTheListenersWhichOthersAreAtItsPort) {
  said("{name: web, port: 80, protocol: HTTP}, {name: alt, port: 10080, protocol: HTTP}");
  const std::vector<Problem> problems = pipeline_.problems();
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].path + ": " + problems[0].message,
            "spec.listeners[0]: ports below 1024 are bound 10000 higher, where another listener is too: "
            "default/gateway/alt, default/gateway/web");
  ASSERT_EQ(problems[0].also.size(), 1U);
  EXPECT_EQ(problems[0].also[0].path, "spec.listeners[1]");
}

TEST_F(GatewaysInACluster, AreBoundWhereTheyAskWithPortsOfListenersAsPortsOfContainers) {
  feed_gateway_with_proxy("gw", 80);
  const auto bound = [this] { return pipeline_.proxies().get("default/gw")->proxy.ports; };
  feed_proxy("provider: {type: Kubernetes, kubernetes: {useListenerPortAsContainerPort: true}}");
  pipeline_.commit();
  EXPECT_EQ(bound(), std::vector<std::uint16_t>{80});
  feed_proxy("provider: {type: Kubernetes, kubernetes: {useListenerPortAsContainerPort: false}}");
  pipeline_.commit();
  EXPECT_EQ(bound(), std::vector<std::uint16_t>{10'080});
}

TEST_F(GatewaysInACluster, KeepTheirPortFromListenerSets) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set}
spec:
  parentRef: {name: gateway}
  listeners: [{name: web, port: 80, protocol: HTTP}]
)");
  EXPECT_EQ(said("{name: alt, port: 10080, protocol: HTTP}"), (Texts{{"alt", std::string(kServedListener)}}));
  EXPECT_EQ(text(status(api::kind_of<api::ListenerSet>(), {"default", "set"})->listeners.at(0).conditions),
            "Accepted=False/PortUnavailable Programmed=False/PortUnavailable ResolvedRefs=True/ResolvedRefs");
}

TEST_F(GatewaysInACluster, HaveSocketsOfTcpAndUdpSideBySide) {
  said("{name: web, port: 53, protocol: TCP}, {name: alt, port: 10053, protocol: UDP}");
  EXPECT_EQ(sockets(), (std::set<std::string>{"default/gateway:10053", "default/gateway:10053/udp"}));
}

TEST_F(Gateways, OnAHostAreBoundAtThePortThatTheyAskFor) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: class
  listeners: [{name: web, port: 80, protocol: HTTP}, {name: alt, port: 10080, protocol: HTTP}]
)");
  pipeline_.commit();
  EXPECT_EQ(pipeline_.proxies().get("default/gateway")->proxy.ports, (std::vector<std::uint16_t>{80, 10080}));
}

class ClientCertificates : public Gateways {
 protected:
  // What the Gateway and its HTTPS listener say of these references.
  std::map<std::string, std::string> said(std::string_view refs, std::string_view rest = "") {
    feed_gateway(fmt::format(
        "  tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{}]}}}}{}}}}}", refs, rest));
    std::map<std::string, std::string> all{{"Gateway", text(status().conditions)}};
    const translate::GatewayPlan& plan = pipeline_.proxies().get("default/gateway")->gateways.at(0);
    const auto& check = plan.client_checks.by_default;
    all["reason"] = check ? check->reason : "";
    return all;
  }
};

TEST_F(ClientCertificates, ReferencesThatLeadNowhere) {
  EXPECT_EQ(
      said("{group: '', kind: ConfigMap, name: missing}"),
      (Texts{{"Gateway", "ResolvedRefs=False/InvalidParameters"}, {"reason", "InvalidCACertificateRef"}}));
  EXPECT_EQ(
      said("{group: '', kind: Service, name: web}"),
      (Texts{{"Gateway", "ResolvedRefs=False/InvalidParameters"}, {"reason", "InvalidCACertificateKind"}}));
  EXPECT_EQ(said("{group: '', kind: ConfigMap, name: ca, namespace: other}"),
            (Texts{{"Gateway", "ResolvedRefs=False/InvalidParameters"}, {"reason", "RefNotPermitted"}}));
  const std::vector<Problem> problems = pipeline_.problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].path, "spec.tls.frontend.default.validation.caCertificateRefs[0].namespace");
  EXPECT_EQ(problems[0].message,
            "no ReferenceGrant in namespace other lets Gateways of default use ConfigMap ca");
}

TEST_F(ClientCertificates, OfAPortWithoutAListenerNobodyIsAsked) {
  constexpr std::string_view kCheck =
      "validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: missing}]}";
  feed_gateway(
      fmt::format("  tls: {{frontend: {{default: {{}}, perPort: [{{port: 9, tls: {{}}}}, {{port: 10, tls: "
                  "{{{0}}}}}]}}}}",
                  kCheck));
  std::vector<Problem> problems = pipeline_.problems();
  std::erase_if(problems, [](const Problem& problem) { return problem.code != "reference/listener"; });
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].path, "spec.tls.frontend.perPort[1].port");
  EXPECT_EQ(problems[0].message,
            "no listener of protocol HTTPS is at port 10: nobody is asked for a certificate");
  // A ListenerSet may bring one.
  feed_gateway(
      fmt::format("  allowedListeners: {{namespaces: {{from: Same}}}}\n"
                  "  tls: {{frontend: {{default: {{}}, perPort: [{{port: 10, tls: {{{}}}}}]}}}}",
                  kCheck));
  for (const Problem& problem : pipeline_.problems()) EXPECT_NE(problem.code, "reference/listener");
}

// Files of which a GatewayClass has to say that it is ours.
class Classes : public YamlPipeline {
 protected:
  Classes() : YamlPipeline(translate::Settings()) {}

  void feed_class(std::string_view name, std::string_view controller) {
    feed(
        fmt::format("apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: {}}}\n"
                    "spec: {{controllerName: {}}}\n",
                    name, controller));
    pipeline_.commit();
  }

  // "class: what would mend it", of each.
  std::string problems() const {
    std::string all;
    for (const Problem& problem : pipeline_.problems()) {
      EXPECT_EQ(problem.code, "value/controller");
      EXPECT_EQ(problem.path, "spec.controllerName");
      EXPECT_EQ(problem.severity, Severity::kWarning);
      all += fmt::format("{}: {}\n", problem.object.name.name, problem.suggestion);
    }
    return all;
  }
};

TEST_F(Classes, OfASimilarControllerWereMeantToBeOurs) {
  feed_class("slip", "gateway.envoyproxy.io/gatewayclass-controler");
  EXPECT_EQ(problems(), "slip: did you mean `gateway.envoyproxy.io/gatewayclass-controller`?\n");
}

TEST_F(Classes, OfAnotherControllerHaveToBeOursWhereNoneIs) {
  feed_class("others", "example.com/another");
  EXPECT_EQ(problems(), "others: write `gateway.envoyproxy.io/gatewayclass-controller`\n");
}

TEST_F(Classes, OfAnotherControllerAreItsBusinessBesideOneOfOurs) {
  feed_class("slip", "gateway.envoyproxy.io/gatewayclass-controler");
  feed_class("ours", "gateway.envoyproxy.io/gatewayclass-controller");
  EXPECT_EQ(problems(), "");
}

// An EnvoyProxy with an order of filters that goes round in a circle.
class ImpossibleOrders : public Gateways {
 protected:
  static constexpr char kCircle[] =
      "filterOrder: [{name: envoy.filters.http.lua, before: envoy.filters.http.wasm},"
      " {name: envoy.filters.http.lua, after: envoy.filters.http.wasm}]";
  static constexpr char kSaid[] =
      "Accepted=False/InvalidParameters EnvoyProxy default/proxy spec.filterOrder[1]: the positions go round "
      "in a circle: envoy.filters.http.lua → envoy.filters.http.wasm → envoy.filters.http.lua";

  ImpossibleOrders() {
    feed_gateway_with_proxy();
    feed_proxy(kCircle);
    pipeline_.set_proxy_state("default/gw", {.ready = true, .programmed = true, .message = ""});
    pipeline_.commit();
  }
  const translate::ObjectStatus& status_of(const GroupKind& kind, const NamespacedName& name) const {
    return *YamlPipeline::status(kind, name);
  }
  static std::string accepted(const translate::Conditions& conditions) {
    const translate::Condition* condition = translate::find_condition(conditions, "Accepted");
    return text({*condition}) + " " + condition->message;
  }
};

TEST_F(ImpossibleOrders, AreToldOfTheEnvoyProxy) {
  const auto& status = status_of(api::kind_of<api::EnvoyProxy>(), {"default", "proxy"});
  EXPECT_EQ(accepted(status.ancestors.at(0).second), kSaid);
}

TEST_F(ImpossibleOrders, AreToldOfTheGatewayWhichIsServedAllTheSame) {
  const auto& status = status_of(api::kind_of<api::Gateway>(), {"default", "gw"});
  EXPECT_EQ(accepted(status.conditions), kSaid);
  EXPECT_EQ(text(status.conditions), "Accepted=False/InvalidParameters Programmed=True/Programmed");
  EXPECT_FALSE(status.listeners.empty());
}

TEST_F(ImpossibleOrders, AreToldOfTheClassThatNamesTheEnvoyProxy) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: named}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: proxy, namespace: default}
)");
  pipeline_.commit();
  EXPECT_EQ(accepted(status_of(api::kind_of<api::GatewayClass>(), {"", "named"}).conditions), kSaid);
}

TEST_F(ImpossibleOrders, AreNoneOnceTheyAreMended) {
  feed_proxy("");
  pipeline_.commit();
  EXPECT_EQ(text(status_of(api::kind_of<api::Gateway>(), {"default", "gw"}).conditions),
            "Accepted=True/Accepted Programmed=True/Programmed");
}

TEST_F(Gateways, NeedNoGatewayClassThatSaysSo) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: others}
spec: {controllerName: example.com/another}
)");
  pipeline_.commit();
  EXPECT_TRUE(pipeline_.problems().empty()) << "the class of ours is implied";
}

}  // namespace
}  // namespace sluice::control

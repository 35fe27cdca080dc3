// TLSRoutes, TCPRoutes and UDPRoutes through the whole pipeline: what sockets they make, what an edit runs,
// who wins, what is said of the others. And requests that came over the wrong connection of HTTPS.

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/pipeline.h"
#include "tree/parse.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using xds::ResourceType;

translate::Settings settings() {
  translate::Settings settings;
  settings.controller_name = "example.com/sluice";
  settings.implied_class = "sluice";
  settings.on_host = true;
  return settings;
}

class StreamRoutes : public testing::Test {
 protected:
  // Objects of the Gateway API, of namespace default: kind, name, spec.
  void feed(std::string_view kind, std::string_view name, std::string_view spec,
            std::string_view created = "2026-01-01T00:00:00Z") {
    read(
        fmt::format("apiVersion: gateway.networking.k8s.io/{}\nkind: {}\nmetadata: {{name: {}, "
                    "creationTimestamp: \"{}\"}}\nspec: {}\n",
                    kind == "Gateway" || kind == "HTTPRoute" ? "v1" : "v1alpha2", kind, name, created, spec));
  }

  void gateway(std::string_view listeners) {
    feed("Gateway", "gw", fmt::format("{{gatewayClassName: sluice, listeners: [{}]}}", listeners));
  }

  // A route to one Service.
  void route(std::string_view kind, std::string_view name, std::string_view to, std::string_view more = "",
             std::string_view created = "2026-01-01T00:00:00Z") {
    feed(kind, name,
         fmt::format("{{parentRefs: [{{name: gw}}], {} rules: [{{backendRefs: [{{name: {}, port: 53}}]}}]}}",
                     more, to),
         created);
  }

  void service(std::string_view name, std::string_view address) {
    read(
        fmt::format("apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\nspec:\n  clusterIP: 10.0.0.1\n"
                    "  ports: [{{name: tcp, port: 53}}, {{name: udp, port: 53, protocol: UDP}}]\n",
                    name));
    read(fmt::format(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {0}-x, labels: "
        "{{kubernetes.io/service-name: {0}}}}}\naddressType: IPv4\nendpoints: [{{addresses: [{1}]}}]\n"
        "ports: [{{name: tcp, port: 1053}}, {{name: udp, port: 2053, protocol: UDP}}]\n",
        name, address));
  }

  void read(const std::string& text) {
    std::vector<Problem> problems;
    const std::vector<Document> documents = parse(text, "", &problems);
    ASSERT_EQ(documents.size(), 1U) << text;
    const api::ReadObject object = api::read_object(documents[0].tree, api::Trust::kCheck);
    for (const Problem& p : object.problems) ADD_FAILURE() << p.path << ": " << p.message << "\n" << text;
    if (object.bound) pipeline_.upsert(*object.bound);
  }

  json resource(ResourceType type, const std::string& name) const {
    const Rendered* found = pipeline_.resources(type).get({"default/gw", name});
    return found == nullptr ? json() : json::parse(xds::to_json(type, *found->bytes));
  }

  // By server name ("*" is all): where a socket forwards to, "" for nowhere.
  std::map<std::string, std::string> forwards(int port) const {
    std::map<std::string, std::string> all;
    const json socket = resource(ResourceType::kListener, fmt::format("default/gw:{}", port));
    for (const json& chain : socket.value("filterChains", json::array())) {
      const json& config = chain["filters"].back()["typedConfig"];
      std::string to = config.value("cluster", "");
      for (const json& part :
           config.value("weightedClusters", json::object()).value("clusters", json::array())) {
        to += fmt::format("{}={} ", part["name"].get<std::string>(), part["weight"].get<int>());
      }
      if (!config.contains("statPrefix") || config.contains("rds")) to = "http";
      if (to == "EmptyCluster") to = "";
      const json names = chain.value("filterChainMatch", json::object()).value("serverNames", json{"*"});
      for (const json& name : names) {
        EXPECT_TRUE(all.emplace(name.get<std::string>(), to).second) << "Envoy would refuse two of " << name;
      }
    }
    return all;
  }

  std::string udp_cluster(int port) const {
    const json socket = resource(ResourceType::kListener, fmt::format("default/gw:{}/udp", port));
    return socket["listenerFilters"][0]["typedConfig"]["matcher"]["onNoMatch"]["action"]["typedConfig"]
                 ["cluster"];
  }

  const translate::ObjectStatus* status(const std::string& kind, const std::string& name) const {
    for (const KindStatuses& of : pipeline_.statuses()) {
      if (of.kind.kind() == kind) return of.table.get({"default", name});
    }
    return nullptr;
  }

  // "Accepted=False/NoMatchingParent", or nothing.
  std::string condition(const std::string& kind, const std::string& name, std::string_view type) const {
    const translate::ObjectStatus* of = status(kind, name);
    if (of == nullptr || of->parents.size() != 1) return "";
    const translate::Condition* found = translate::find_condition(of->parents[0].second, type);
    return found == nullptr ? ""
                            : fmt::format("{}={}/{}", type, found->status ? "True" : "False", found->reason);
  }

  std::string problems() const {
    std::string all;
    for (const Problem& p : pipeline_.problems()) {
      all += fmt::format("{} {} {}: {}\n", p.code, p.object.to_string(), p.path, p.message);
    }
    return all;
  }

  Pipeline pipeline_{settings()};
};

// A Secret with some certificate and its key, named "cert".
std::string secret() {
  std::ostringstream text;
  text << std::ifstream("test/golden/cases/https/in.yaml").rdbuf();
  const std::string all = text.str();
  const std::size_t begin = all.find("apiVersion: v1\nkind: Secret");
  std::string one = all.substr(begin, all.find("---", begin) - begin);
  one.replace(one.find("name: shop"), 10, "name: cert");
  return one;
}

constexpr std::string_view kPassthrough = "{name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}}";

TEST_F(StreamRoutes, TlsByServerName) {
  gateway(kPassthrough);
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  route("TLSRoute", "one", "a", "hostnames: [a.example, '*.a.example'],");
  route("TLSRoute", "rest", "b");
  pipeline_.commit();
  EXPECT_EQ(forwards(8443), (std::map<std::string, std::string>{{"a.example", "service/default/a:53"},
                                                                {"*.a.example", "service/default/a:53"},
                                                                {"*", "service/default/b:53"}}));
  const Rendered* socket =
      pipeline_.resources(ResourceType::kListener).get({"default/gw", "default/gw:8443"});
  EXPECT_EQ(socket->names->clusters,
            (std::vector<std::string>{"service/default/a:53", "service/default/b:53"}));
  EXPECT_EQ(status("Gateway", "gw")->listeners[0].attached_routes, 2U);
  ASSERT_EQ(status("Gateway", "gw")->listeners[0].supported_kinds.size(), 1U);
  EXPECT_EQ(status("Gateway", "gw")->listeners[0].supported_kinds[0].kind, "TLSRoute");
  EXPECT_EQ(condition("TLSRoute", "one", "Accepted"), "Accepted=True/Accepted");
  EXPECT_EQ(condition("TLSRoute", "one", "ResolvedRefs"), "ResolvedRefs=True/ResolvedRefs");
  EXPECT_EQ(problems(), "");
}

// A thousand TLSRoutes on one socket: an edit of one renders that socket, once.
TEST_F(StreamRoutes, AnEditCostsOneListener) {
  gateway(fmt::format("{}, {{name: tcp, port: 9000, protocol: TCP}}", kPassthrough));
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  route("TCPRoute", "plain", "a");
  constexpr int kRoutes = 1'000;
  for (int i = 0; i < kRoutes; ++i) {
    route("TLSRoute", fmt::format("r{}", i), "a", fmt::format("hostnames: [h{}.example],", i));
  }
  const flow::CommitStats first = pipeline_.commit();
  EXPECT_EQ(first.of("tls routes").runs, 1'000U);
  EXPECT_EQ(first.of("listeners").runs, 2U);
  EXPECT_EQ(forwards(8443).size(), 1'000U);

  route("TLSRoute", "r471", "b", "hostnames: [h471.example],");
  const flow::CommitStats edit = pipeline_.commit();
  std::map<std::string_view, unsigned> runs;
  for (const flow::StageStats& stage : edit.stages) {
    if (stage.runs > 0) runs[stage.name] = stage.runs;
  }
  EXPECT_EQ(runs, (std::map<std::string_view, unsigned>{{"tls routes", 1},
                                                        {"sockets", 1},
                                                        {"labels of TLSRoutes", 1},
                                                        {"listeners", 1},
                                                        {"filters of listeners", 1},
                                                        {"clusters of routes", 1},
                                                        {"clusters of sockets", 1},
                                                        {"clusters", 1},
                                                        {"secrets of clusters", 1},
                                                        {"secrets of routes", 1},
                                                        {"endpoints", 1},
                                                        {"statuses of gateways", 1},
                                                        {"statuses of tls routes", 1}}));
  EXPECT_EQ(pipeline_.resources(ResourceType::kListener).changes().size(), 1U);

  // An endpoint is nobody's business here.
  service("b", "10.1.0.3");
  EXPECT_EQ(pipeline_.commit().of("sockets").runs, 0U);
  EXPECT_TRUE(pipeline_.resources(ResourceType::kListener).changes().empty());
}

TEST_F(StreamRoutes, TheOlderOneWinsAServerName) {
  gateway(kPassthrough);
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  route("TLSRoute", "younger", "a", "hostnames: [x.example, y.example],", "2026-02-01T00:00:00Z");
  route("TLSRoute", "older", "b", "hostnames: [x.example],");
  pipeline_.commit();
  EXPECT_EQ(forwards(8443), (std::map<std::string, std::string>{{"x.example", "service/default/b:53"},
                                                                {"y.example", "service/default/a:53"}}));
  EXPECT_EQ(problems(),
            "conflict/route TLSRoute default/younger spec.hostnames: listener default/gw/tls forwards "
            "`x.example` to TLSRoute default/older, which is older: this route gets the rest of it\n");
  ASSERT_EQ(pipeline_.problems()[0].also.size(), 1U);
  EXPECT_EQ(pipeline_.problems()[0].also[0].object.to_string(), "TLSRoute default/older");
  route("TLSRoute", "younger", "a", "hostnames: [x.example],", "2026-02-01T00:00:00Z");
  pipeline_.commit();
  EXPECT_EQ(forwards(8443).size(), 1U);
  EXPECT_EQ(problems(),
            "conflict/route TLSRoute default/younger spec.hostnames: listener default/gw/tls forwards "
            "`x.example` to TLSRoute default/older, which is older: this route gets nothing of it\n");
  pipeline_.erase({.kind = api::kind_of<api::TLSRoute>(), .name = {"default", "older"}});
  pipeline_.commit();
  EXPECT_EQ(forwards(8443).at("x.example"), "service/default/a:53");
  EXPECT_EQ(problems(), "");
}

TEST_F(StreamRoutes, OneRouteATcpListener) {
  gateway("{name: tcp, port: 9000, protocol: TCP}");
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  pipeline_.commit();
  EXPECT_EQ(forwards(9000), (std::map<std::string, std::string>{{"*", ""}})) << "accepted, and closed";
  route("TCPRoute", "b", "b");
  route("TCPRoute", "a", "a");
  pipeline_.commit();
  EXPECT_EQ(forwards(9000), (std::map<std::string, std::string>{{"*", "service/default/a:53"}}));
  EXPECT_EQ(
      problems(),
      "conflict/route TCPRoute default/b spec.parentRefs: listener default/gw/tcp forwards all that comes "
      "to TCPRoute default/a, whose name comes first: this route gets nothing of it\n");
  EXPECT_EQ(status("Gateway", "gw")->listeners[0].attached_routes, 2U);
}

TEST_F(StreamRoutes, SharesAndInvalidOnes) {
  gateway("{name: tcp, port: 9000, protocol: TCP}");
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  const auto split = [this](std::string_view refs) {
    feed("TCPRoute", "split", fmt::format("{{parentRefs: [{{name: gw}}], rules: [{}]}}", refs));
    pipeline_.commit();
    return forwards(9000).at("*");
  };
  EXPECT_EQ(split("{backendRefs: [{name: b, port: 53, weight: 3}, {name: a, port: 53}]}"),
            "service/default/a:53=1 service/default/b:53=3 ");
  // All rules share what comes; a Service twice is one cluster.
  EXPECT_EQ(split("{backendRefs: [{name: a, port: 53}, {name: b, port: 53, weight: 0}]}, "
                  "{backendRefs: [{name: b, port: 53}, {name: a, port: 53}]}"),
            "service/default/a:53=2 service/default/b:53=1 ");
  EXPECT_EQ(split("{backendRefs: [{name: a, port: 53}, {name: gone, port: 53, weight: 4}]}"),
            "EmptyCluster=4 service/default/a:53=1 ");
  EXPECT_EQ(condition("TCPRoute", "split", "ResolvedRefs"), "ResolvedRefs=False/BackendNotFound");
  EXPECT_EQ(condition("TCPRoute", "split", "Accepted"), "Accepted=True/Accepted");
  EXPECT_EQ(problems(),
            "reference/not-found TCPRoute default/split spec.rules[0].backendRefs[1].name: there is no "
            "Service default/gone\n");
  EXPECT_EQ(split("{backendRefs: [{name: gone, port: 53}]}"), "tcproute/default/split");
  EXPECT_EQ(split("{backendRefs: [{name: a, port: 53, weight: 0}]}"), "tcproute/default/split");
  EXPECT_TRUE(
      resource(ResourceType::kEndpoints, "tcproute/default/split").value("endpoints", json()).empty());
}

// Listeners wait for the clusters that they name: one that nobody is in is a cluster like others.
TEST_F(StreamRoutes, WhatIsForwardedNowhereHasACluster) {
  const auto named = [this](const std::string& socket) {
    return pipeline_.resources(ResourceType::kListener).get({"default/gw", socket})->names->clusters;
  };
  const auto nowhere = [this] { return resource(ResourceType::kCluster, ir::kNowhere); };
  gateway("{name: tcp, port: 9000, protocol: TCP}, {name: udp, port: 9000, protocol: UDP}");
  service("a", "10.1.0.1");
  pipeline_.commit();
  EXPECT_EQ(nowhere(), json::parse(R"({"name": "EmptyCluster", "type": "STATIC"})"));
  EXPECT_EQ(named("default/gw:9000"), std::vector<std::string>{ir::kNowhere});
  EXPECT_EQ(named("default/gw:9000/udp"), std::vector<std::string>{ir::kNowhere});
  EXPECT_EQ(resource(ResourceType::kEndpoints, ir::kNowhere), json()) << "it needs none";

  route("UDPRoute", "dns", "a");
  pipeline_.commit();
  EXPECT_FALSE(nowhere().is_null()) << "the other socket needs it";
  route("TCPRoute", "dns", "a");
  pipeline_.commit();
  EXPECT_TRUE(nowhere().is_null());
  EXPECT_EQ(named("default/gw:9000"), std::vector<std::string>{"service/default/a:53"});
  // A share of it is enough.
  feed("TCPRoute", "dns",
       "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: a, port: 53}, {name: gone, port: 53}]}]}");
  pipeline_.commit();
  EXPECT_FALSE(nowhere().is_null());
  EXPECT_EQ(named("default/gw:9000"), (std::vector<std::string>{ir::kNowhere, "service/default/a:53"}));
}

// ---- to the server that the client names ---------------------------------------------------------

constexpr std::string_view kAnywhere = "{group: gateway.envoyproxy.io, kind: Backend, name: anywhere}";

TEST_F(StreamRoutes, TlsToTheServerThatTheClientNames) {
  gateway(kPassthrough);
  read(
      "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: anywhere}\n"
      "spec: {type: DynamicResolver}\n");
  service("a", "10.1.0.1");
  const auto refer = [this](std::string_view kind, std::string_view refs) {
    feed(kind, "any", fmt::format("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{}]}}]}}", refs));
    pipeline_.commit();
  };
  refer("TLSRoute", kAnywhere);
  EXPECT_EQ(problems(), "");
  EXPECT_EQ(forwards(8443), (std::map<std::string, std::string>{{"*", "backend/default/anywhere"}}));
  EXPECT_EQ(resource(ResourceType::kCluster, "backend/default/anywhere")["clusterType"]["name"],
            "envoy.clusters.dynamic_forward_proxy");

  // A connection goes to one server: beside others it is none, and nor are they.
  refer("TLSRoute", fmt::format("{}, {{name: a, port: 53}}", kAnywhere));
  EXPECT_EQ(forwards(8443), (std::map<std::string, std::string>{{"*", "tlsroute/default/any"}}));
  EXPECT_EQ(condition("TLSRoute", "any", "ResolvedRefs"), "ResolvedRefs=False/InvalidBackendRef");
  EXPECT_EQ(resource(ResourceType::kCluster, "service/default/a:53"), json());

  // Who ends TLS does not see what the client asks the server for.
  gateway(
      "{name: tls, port: 8443, protocol: TLS, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}, "
      "{name: tcp, port: 9000, protocol: TCP}");
  read(secret());
  refer("TLSRoute", kAnywhere);
  EXPECT_EQ(condition("TLSRoute", "any", "ResolvedRefs"), "ResolvedRefs=False/UnsupportedValue");
  EXPECT_EQ(forwards(8443), (std::map<std::string, std::string>{{"*", ""}}));
  refer("TCPRoute", kAnywhere);
  EXPECT_EQ(condition("TCPRoute", "any", "ResolvedRefs"), "ResolvedRefs=False/UnsupportedValue");
}

TEST_F(StreamRoutes, UdpBesideTcpOnOneNumber) {
  gateway("{name: tcp, port: 5353, protocol: TCP}, {name: udp, port: 5353, protocol: UDP}");
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  route("TCPRoute", "dns", "a");
  feed("UDPRoute", "dns",
       "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: a, port: 53, weight: 3}, {name: b, port: "
       "53}]}]}");
  pipeline_.commit();
  EXPECT_EQ(problems(), "");
  EXPECT_EQ(forwards(5353).at("*"), "service/default/a:53");
  EXPECT_EQ(udp_cluster(5353), "udproute/default/dns");
  const json endpoints = resource(ResourceType::kEndpoints, "udproute/default/dns")["endpoints"];
  ASSERT_EQ(endpoints.size(), 2U);
  EXPECT_EQ(endpoints[0]["loadBalancingWeight"], 3);
  EXPECT_NE(endpoints[0]["locality"], endpoints[1]["locality"]) << "Envoy takes two alike for one";
  const auto address = [](const json& group) {
    return group["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"];
  };
  EXPECT_EQ(address(endpoints[0]), json::parse(R"({"address": "10.1.0.1", "portValue": 2053})"));
  EXPECT_EQ(address(endpoints[1])["address"], "10.1.0.2");
  EXPECT_EQ(address(resource(ResourceType::kEndpoints, "service/default/a:53")["endpoints"][0])["portValue"],
            1053);

  // Other backends are other endpoints: the socket and its sessions stay.
  route("UDPRoute", "dns", "b");
  const flow::CommitStats edit = pipeline_.commit();
  EXPECT_TRUE(pipeline_.resources(ResourceType::kListener).changes().empty());
  EXPECT_EQ(resource(ResourceType::kEndpoints, "udproute/default/dns")["endpoints"].size(), 1U);
  // A port of TCP is none of UDP.
  feed("UDPRoute", "dns", "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: c, port: 53}]}]}");
  read("apiVersion: v1\nkind: Service\nmetadata: {name: c}\nspec: {ports: [{name: tcp, port: 53}]}\n");
  pipeline_.commit();
  EXPECT_EQ(condition("UDPRoute", "dns", "ResolvedRefs"), "ResolvedRefs=False/PortNotFound");
  EXPECT_TRUE(resource(ResourceType::kEndpoints, "udproute/default/dns").value("endpoints", json()).empty());
}

// Two TLS listeners on one socket: what belongs to the narrower one does not fall through to the wider.
TEST_F(StreamRoutes, AListenerKeepsItsHostname) {
  gateway(
      "{name: wide, port: 8443, protocol: TLS, tls: {mode: Passthrough}}, {name: narrow, port: 8443, "
      "protocol: "
      "TLS, hostname: n.example, tls: {mode: Passthrough}}");
  service("a", "10.1.0.1");
  feed("TLSRoute", "wide",
       "{parentRefs: [{name: gw, sectionName: wide}], rules: [{backendRefs: [{name: a, port: 53}]}]}");
  pipeline_.commit();
  EXPECT_EQ(forwards(8443),
            (std::map<std::string, std::string>{{"*", "service/default/a:53"}, {"n.example", ""}}));
  // Nor can a route bring it to the wider one.
  feed("TLSRoute", "wide",
       "{parentRefs: [{name: gw, sectionName: wide}], hostnames: [n.example], rules: [{backendRefs: [{name: "
       "a, "
       "port: 53}]}]}");
  pipeline_.commit();
  EXPECT_EQ(condition("TLSRoute", "wide", "Accepted"), "Accepted=False/NoMatchingListenerHostname");
}

TEST_F(StreamRoutes, OnlyKindsThatTheListenerCarries) {
  gateway(fmt::format("{}, {{name: web, port: 8080, protocol: HTTP}}", kPassthrough));
  service("a", "10.1.0.1");
  route("TCPRoute", "tcp", "a");
  pipeline_.commit();
  EXPECT_EQ(condition("TCPRoute", "tcp", "Accepted"), "Accepted=False/NotAllowedByListeners");
  feed("TLSRoute", "tls",
       "{parentRefs: [{name: gw, sectionName: nope}], rules: [{backendRefs: [{name: a, port: 53}]}]}");
  pipeline_.commit();
  EXPECT_EQ(condition("TLSRoute", "tls", "Accepted"), "Accepted=False/NoMatchingParent");
}

TEST_F(StreamRoutes, RefusedByTheProxy) {
  gateway(kPassthrough);
  service("a", "10.1.0.1");
  service("b", "10.1.0.2");
  route("TLSRoute", "one", "a", "hostnames: [a.example],");
  route("TLSRoute", "other", "a", "hostnames: [b.example],");
  pipeline_.commit();
  const ObjectKey key{.kind = api::kind_of<api::TLSRoute>(), .name = {"default", "one"}};
  const auto good = pipeline_.object(key);

  route("TLSRoute", "one", "b", "hostnames: [a.example],");
  pipeline_.commit();
  // Isolation hears that it has to do with the listeners of the proxy.
  const auto contributors = pipeline_.changed_contributors();
  ASSERT_EQ(contributors.size(), 1U);
  EXPECT_EQ(contributors[0].object, key);
  EXPECT_EQ(contributors[0].aggregates, std::set<std::string>{"default/gw"});

  const auto refuse = [&](std::optional<api::Object> last_good) {
    pipeline_.refuse(
        key, std::make_shared<const Refusal>(Refusal{
                 .refused = *pipeline_.object(key), .last_good = std::move(last_good), .message = "no"}));
    pipeline_.commit();
    return forwards(8443);
  };
  EXPECT_EQ(refuse(good), (std::map<std::string, std::string>{{"a.example", "service/default/a:53"},
                                                              {"b.example", "service/default/a:53"}}));
  EXPECT_EQ(condition("TLSRoute", "one", "PartiallyInvalid"), "PartiallyInvalid=True/RejectedByProxy");
  EXPECT_EQ(refuse(std::nullopt),
            (std::map<std::string, std::string>{{"b.example", "service/default/a:53"}}));
  EXPECT_EQ(condition("TLSRoute", "one", "Accepted"), "Accepted=False/RejectedByProxy");
}

// ---- HTTPS: requests over the wrong connection ---------------------------------------------------

// The Gateway of the conformance test GatewayHTTPSListenerDetectMisdirectedRequests.
TEST_F(StreamRoutes, MisdirectedRequests) {
  // The certificates do not matter here, though there has to be one.
  const auto listener = [](std::string_view name, std::string_view hostname) {
    return fmt::format(
        "{{name: {}, port: 8443, protocol: HTTPS, {} tls: {{certificateRefs: [{{name: cert}}]}}}}", name,
        hostname.empty() ? "" : fmt::format("hostname: '{}',", hostname));
  };
  gateway(fmt::format("{}, {}, {}, {}", listener("any", ""), listener("second", "second-example.org"),
                      listener("wild", "*.wildcard.org"), listener("fourth", "fourth-example.wildcard.org")));
  read(secret());
  service("a", "10.1.0.1");
  const auto http = [this](std::string_view name, std::string_view section, std::string_view hostnames) {
    feed("HTTPRoute", name,
         fmt::format("{{parentRefs: [{{name: gw{}}}], {} rules: [{{backendRefs: [{{name: a, port: 53}}]}}]}}",
                     section.empty() ? "" : fmt::format(", sectionName: {}", section), hostnames));
  };
  http("one", "", "hostnames: [example.org],");
  http("two", "second", "");
  http("three", "wild", "hostnames: ['*.wildcard.org', fourth-example.wildcard.org],");
  http("four", "fourth", "");
  pipeline_.commit();
  for (const Problem& problem : pipeline_.problems()) {
    EXPECT_EQ(problem.severity, Severity::kWarning) << problem.message;
  }
  EXPECT_NE(problems().find("reference/hostname HTTPRoute default/three spec.hostnames[1]: no listener that "
                            "the route is attached to takes hostname `fourth-example.wildcard.org`\n"),
            std::string::npos);

  // As Envoy looks a host up.
  const auto status_of = [this](const std::string& table, const std::string& host) {
    const json config = resource(ResourceType::kRoutes, "default/gw/" + table);
    const json* best = nullptr;
    std::size_t length = 0;
    for (const json& virtual_host : config["virtualHosts"]) {
      for (const json& domain : virtual_host["domains"]) {
        const auto name = domain.get<std::string>();
        const bool fits = name == host || (name.starts_with('*') && host.ends_with(name.substr(1)));
        const std::size_t rank = name == host ? 1'000 : name.size();
        if (fits && rank > length) {
          best = &virtual_host;
          length = rank;
        }
      }
    }
    const json routes = best == nullptr ? json::array() : best->value("routes", json::array());
    if (routes.empty()) return 404;
    return routes[0].contains("directResponse") ? routes[0]["directResponse"]["status"].get<int>() : 200;
  };
  struct Case {
    const char* listener;
    const char* host;
    int status;
  };
  for (const Case& c : {
           Case{"any", "example.org", 200},
           {"any", "second-example.org", 421},
           {"any", "unknown-example.org", 404},
           {"any", "third-example.wildcard.org", 421},
           {"second", "second-example.org", 200},
           {"second", "example.org", 421},
           {"second", "unknown-example.org", 421},
           {"wild", "third-example.wildcard.org", 200},
           {"wild", "fith-example.wildcard.org", 200},
           {"wild", "fourth-example.wildcard.org", 421},
           {"wild", "second-example.org", 421},
           {"wild", "unknown-example.org", 421},
           {"fourth", "fourth-example.wildcard.org", 200},
           {"fourth", "fith-example.wildcard.org", 421},
       }) {
    EXPECT_EQ(status_of(c.listener, c.host), c.status) << c.listener << " " << c.host;
  }
  // Without the listener for all others, an unknown host is nobody's; and its own hosts are a listener's own.
  gateway(
      fmt::format("{}, {}", listener("second", "second-example.org"), listener("wild", "*.wildcard.org")));
  http("three", "wild", "hostnames: [third-example.wildcard.org],");
  pipeline_.commit();
  EXPECT_EQ(status_of("second", "unknown-example.org"), 404);
  EXPECT_EQ(status_of("wild", "other.wildcard.org"), 404);
  EXPECT_EQ(status_of("wild", "second-example.org"), 421);
}

}  // namespace
}  // namespace sluice::control

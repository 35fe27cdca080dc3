#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

json expected(const json& proxy, const std::string& name) {
  for (const json& listener : proxy["listeners"]) {
    if (listener["name"] == name) return without_choices(listener);
  }
  return {};
}

json rendered(const ir::Listener& listener) {
  return without_choices(as_json(ResourceType::kListener, render_listener(listener)));
}

ir::Listener http(const std::string& name) {
  return {.name = name,
          .address = "0.0.0.0",
          .port = 10080,
          .chains = {{.name = name,
                      .route_table = name,
                      .stat_prefix = "http-10080",
                      .access_logs = {ir::AccessLog()}}},
          .access_logs = {ir::AccessLog()}};
}

TEST(Listener, HttpAsEnvoyGateway) {
  for (const json& proxy : parity("httproute-attaching-to-gateway")) {
    const ir::Listener listener = http("envoy-gateway/gateway-1/http");
    EXPECT_EQ(rendered(listener), expected(proxy, listener.name));
  }
}

TEST(Listener, TlsAsEnvoyGateway) {
  for (const json& proxy : parity("gateway-with-listener-with-valid-multiple-tls-configuration")) {
    ir::Listener listener = http("envoy-gateway/gateway-1/tls");
    listener.port = 10443;
    listener.chains[0].stat_prefix = "https-10443";
    listener.chains[0].tls = ir::DownstreamTls{
        .certificate_secrets = {"envoy-gateway/tls-secret-1", "envoy-gateway/tls-secret-ecdsa-1"},
        .alpn = {"h2", "http/1.1"}};
    EXPECT_EQ(rendered(listener), expected(proxy, listener.name));
  }
}

std::vector<json> listeners_of(const char* name) {
  std::vector<json> listeners;
  for (const json& proxy : parity(name)) {
    listeners.insert(listeners.end(), proxy["listeners"].begin(), proxy["listeners"].end());
  }
  return listeners;
}

// Every TLS listener of the cases: rebuilt from the few things that differ, rendered, compared.
TEST(Listener, AllTlsChainsAsEnvoyGateway) {
  for (const char* name :
       {"gateway-tls-frontend-backend", "gateway-with-listener-with-valid-tls-configuration",
        "gateway-with-multiple-https-listeners-with-overlapping-hostnames",
        "gateway-with-multiple-https-listeners-with-overlapping-certs"}) {
    for (const json& want : listeners_of(name)) {
      if (want["name"].get<std::string>().find("ready") != std::string::npos) continue;
      ir::Listener listener = http(want["name"]);
      listener.port = want["address"]["socketAddress"]["portValue"];
      listener.chains.clear();
      json chains = want.value("filterChains", json::array());
      if (want.contains("defaultFilterChain")) chains.push_back(want["defaultFilterChain"]);
      for (const json& from : chains) {
        const json& manager = from["filters"][0]["typedConfig"];
        ir::HttpChain chain{.name = from["name"],
                            .route_table = manager["rds"]["routeConfigName"],
                            .stat_prefix = manager["statPrefix"],
                            .access_logs = {ir::AccessLog()}};
        if (from.contains("filterChainMatch")) chain.server_names = from["filterChainMatch"]["serverNames"];
        if (from.contains("transportSocket")) {
          const json& context = from["transportSocket"]["typedConfig"];
          const json& common = context["commonTlsContext"];
          ir::DownstreamTls& tls = chain.tls.emplace();
          tls.alpn = common["alpnProtocols"];
          for (const json& secret : common["tlsCertificateSdsSecretConfigs"]) {
            tls.certificate_secrets.push_back(secret["name"]);
          }
          if (context.contains("requireClientCertificate")) {
            const bool untrusted = common.contains("combinedValidationContext");
            const json& ca = untrusted ? common["combinedValidationContext"] : common;
            tls.client_validation = {.ca_secret = ca["validationContextSdsSecretConfig"]["name"],
                                     .required = context["requireClientCertificate"],
                                     .accept_untrusted = untrusted};
          }
        }
        listener.chains.push_back(std::move(chain));
      }
      EXPECT_EQ(rendered(listener), without_choices(want)) << name;
    }
  }
}

ir::Listener socket_of(const json& want) {
  ir::Listener listener = http(want["name"]);
  listener.port = want["address"]["socketAddress"]["portValue"];
  listener.chains.clear();
  return listener;
}

TEST(Listener, TcpChainsAsEnvoyGateway) {
  std::size_t compared = 0;
  for (const char* name :
       {"tlsroute-with-backend", "tlsroute-hostname-intersection", "tlsroute-with-empty-hostname",
        "gateway-with-listener-with-unmatched-tcproute",
        "gateway-with-listener-with-tcproute-with-multiple-backends", "envoyproxy-tls-settings"}) {
    for (const json& want : listeners_of(name)) {
      const json chains = want.value("filterChains", json::array());
      if (chains.empty() || chains[0]["filters"][0]["name"] != "envoy.filters.network.tcp_proxy") continue;
      ir::Listener listener = socket_of(want);
      for (const json& from : chains) {
        const json& proxy = from["filters"][0]["typedConfig"];
        ir::TcpChain chain{.name = from["name"],
                           .shares = {{.cluster = proxy["cluster"]}},
                           .stat_prefix = proxy["statPrefix"],
                           .access_logs = {ir::AccessLog()}};
        if (from.contains("filterChainMatch")) chain.server_names = from["filterChainMatch"]["serverNames"];
        if (from.contains("transportSocket")) {
          const json& common = from["transportSocket"]["typedConfig"]["commonTlsContext"];
          chain.tls.emplace().certificate_secrets = {
              common["tlsCertificateSdsSecretConfigs"][0]["name"].get<std::string>()};
        }
        if (proxy["cluster"] == "EmptyCluster") chain.shares.clear();
        listener.tcp_chains.push_back(std::move(chain));
      }
      EXPECT_EQ(rendered(listener), without_choices(want)) << name;
      ++compared;
    }
  }
  EXPECT_TRUE(parity("tlsroute-with-backend").empty() || compared == 7) << compared;
}

TEST(Listener, UdpAsEnvoyGateway) {
  for (const char* name : {"gateway-with-listener-with-unmatched-udproute",
                           "gateway-with-two-listeners-with-same-port-http-udp-protocol"}) {
    for (const json& want : listeners_of(name)) {
      if (want["address"]["socketAddress"].value("protocol", "TCP") != "UDP") continue;
      ir::Listener listener = socket_of(want);
      const std::string cluster = want["listenerFilters"][0]["typedConfig"]["matcher"]["onNoMatch"]["action"]
                                      ["typedConfig"]["cluster"];
      listener.udp = ir::UdpForward{.cluster = cluster == "EmptyCluster" ? "" : cluster,
                                    .access_logs = {ir::AccessLog()}};
      EXPECT_EQ(rendered(listener), without_choices(want)) << name;
    }
  }
}

TEST(Listener, SharesOfATcpChain) {
  ir::Listener listener = http("tcp");
  listener.chains.clear();
  listener.tcp_chains = {{.name = "route",
                          .shares = {{.cluster = "a", .weight = 3}, {.cluster = "", .weight = 1}},
                          .stat_prefix = "tcp-1"}};
  const json filter = rendered(listener)["filterChains"][0]["filters"][0]["typedConfig"];
  EXPECT_EQ(filter["weightedClusters"]["clusters"],
            json::parse(R"([{"name": "a", "weight": 3}, {"name": "EmptyCluster", "weight": 1}])"));
  EXPECT_FALSE(filter.contains("cluster"));
}

TEST(Listener, ReadsServerNamesWhereAChainGoesByThem) {
  ir::Listener listener = http("tls");
  listener.chains.clear();
  listener.tcp_chains = {{.name = "all", .shares = {{.cluster = "a"}}, .stat_prefix = "tls"}};
  EXPECT_FALSE(rendered(listener).contains("listenerFilters"));
  listener.tcp_chains[0].dynamic = true;
  const json by_target = rendered(listener);
  listener.tcp_chains[0].dynamic = false;
  listener.tcp_chains[0].server_names = {"a.example"};
  ASSERT_TRUE(by_target.contains("listenerFilters"));
  EXPECT_EQ(by_target["listenerFilters"], rendered(listener)["listenerFilters"]);
}

// Of a chain to the server that the client names.
TEST(Listener, DynamicChainAsEnvoyGateway) {
  for (const json& want : listeners_of("tlsroute-dynamic-resolver")) {
    if (want["name"] != "envoy-gateway/gateway-1/tls") continue;
    ir::Listener listener = socket_of(want);
    listener.tcp_chains = {{.name = "tlsroute/default/tlsroute-1",
                            .server_names = {"bar.com", "foo.com"},
                            .shares = {{.cluster = "tlsroute/default/tlsroute-1/rule/-1"}},
                            .dynamic = true,
                            .stat_prefix = "tls-passthrough-10443",
                            .access_logs = {ir::AccessLog()}}};
    EXPECT_EQ(rendered(listener), without_choices(want));
  }
}

TEST(Listener, GuardsAgainstEverySpellingWhereClientsMayNameAnyServer) {
  ir::Listener listener = http("tls");
  listener.chains.clear();
  listener.tcp_chains = {
      {.name = "all", .shares = {{.cluster = "a"}}, .dynamic = true, .stat_prefix = "tls"}};
  const auto policies = [&](std::vector<std::string> server_names) {
    listener.tcp_chains[0].server_names = std::move(server_names);
    return rendered(listener)["filterChains"][0]["filters"][0]["typedConfig"]["rules"]["policies"].size();
  };
  EXPECT_EQ(policies({"a.example", "*.b.example"}), 1U);
  EXPECT_EQ(policies({}), 2U);
  EXPECT_EQ(policies({"*.localhost", "a.example"}), 2U);
}

TEST(Listener, DualStack) {
  ir::Listener listener = http("web");
  listener.address = "::";
  listener.dual_stack = true;
  EXPECT_EQ(rendered(listener)["address"],
            json::parse(R"({"socketAddress": {"address": "::", "portValue": 10080, "ipv4Compat": true}})"));
}

TEST(Listener, IsTheSameEachTime) {
  const std::string once = render_listener(http("web"));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(render_listener(http("web")), once);
}

TEST(Listener, FiltersThatRoutesNeed) {
  ir::HttpChain chain{.name = "c", .route_table = "c", .stat_prefix = "http"};
  const auto filters = [&chain] {
    const json made = as_json(ResourceType::kListener, render_listener({.name = "l", .chains = {chain}}));
    std::vector<std::string> names;
    for (const json& filter : made["defaultFilterChain"]["filters"][0]["typedConfig"]["httpFilters"]) {
      names.push_back(filter["name"].get<std::string>() + (filter.value("disabled", false) ? " (off)" : ""));
    }
    return names;
  };
  EXPECT_EQ(filters(), std::vector<std::string>{"envoy.filters.http.router"});
  chain.filters = {ir::RouteFilter::kCors, ir::RouteFilter::kSession, ir::RouteFilter::kGrpc};
  EXPECT_EQ(filters(),
            (std::vector<std::string>{"envoy.filters.http.cors", "envoy.filters.http.stateful_session (off)",
                                      "envoy.filters.http.grpc_web", "envoy.filters.http.grpc_stats",
                                      "envoy.filters.http.router"}));
}

}  // namespace
}  // namespace sluice::xds

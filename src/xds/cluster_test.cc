#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "envoy/config/cluster/v3/cluster.pb.h"

#include "xds/render.h"
#include "xds/testing.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

json rendered(const ir::Cluster& cluster) {
  return without_choices(as_json(ResourceType::kCluster, render_cluster(cluster)));
}

ir::Cluster web() { return {.name = "httproute/default/httproute-1/rule/0"}; }

TEST(Cluster, Text) {
  ir::Cluster cluster{.name = "web"};
  cluster.owner = {GroupKind("", "Service"), {"default", "web"}};
  EXPECT_EQ(to_json(ResourceType::kCluster, render_cluster(cluster)), R"({
  "name": "web",
  "type": "EDS",
  "edsClusterConfig": {
    "edsConfig": {
      "ads": {},
      "initialFetchTimeout": "5s",
      "resourceApiVersion": "V3"
    }
  },
  "connectTimeout": "10s",
  "perConnectionBufferLimitBytes": 32768,
  "circuitBreakers": {
    "thresholds": [
      {
        "maxRetries": 1024
      }
    ]
  },
  "dnsLookupFamily": "V4_PREFERRED",
  "metadata": {
    "filterMetadata": {
      "sluice": {
        "kind": "Service",
        "name": "web",
        "namespace": "default"
      }
    }
  },
  "commonLbConfig": {},
  "ignoreHealthOnHostRemoval": true,
  "loadBalancingPolicy": {
    "policies": [
      {
        "typedExtensionConfig": {
          "name": "envoy.load_balancing_policies.least_request",
          "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
            "localityLbConfig": {
              "localityWeightedLbConfig": {}
            }
          }
        }
      }
    ]
  }
}
)");
}

TEST(Cluster, EdsAsEnvoyGateway) {
  for (const json& proxy : parity("httproute-attaching-to-gateway")) {
    EXPECT_EQ(rendered(web()), expected_cluster(proxy, web().name));
    ir::Cluster zonal{.name = "envoy-gateway/gateway-1", .prefer_local_zone = true};
    EXPECT_EQ(rendered(zonal), expected_cluster(proxy, zonal.name));
  }
}

TEST(Cluster, WebSocketAsEnvoyGateway) {
  for (const json& proxy : parity("httproute-rule-with-service-websocket-app-protocols")) {
    ir::Cluster cluster{.name = "httproute/default/httproute-ws/rule/0",
                        .protocol = ir::UpstreamProtocol::kHttp1Explicit};
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
}

TEST(Cluster, CredentialAsEnvoyGateway) {
  for (const json& proxy : parity("mergebackends-http-demerge-credential-injection")) {
    ir::Cluster cluster{.name = "httproute/default/http-route-1/rule/0/backend/0"};
    cluster.credential = ir::Extension{
        .name = "envoy.filters.http.credential_injector/httproutefilter/default/credential-injection-1",
        .filter = ir::CredentialInjector{
            .secret = "credential_injector/credential/httproutefilter/default/credential-injection-1"}};
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
}

TEST(Cluster, DnsAndHttp2AsEnvoyGateway) {
  for (const json& proxy : parity("gateway-with-infrastructure-parametersref")) {
    ir::Cluster cluster{
        .name = "tracing", .discovery = ir::Discovery::kDns, .protocol = ir::UpstreamProtocol::kHttp2};
    cluster.dns_localities = {
        {.endpoints = {{.address = "otel-collector.monitoring.svc.cluster.local", .port = 4317}}}};
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
}

TEST(Cluster, TlsAsEnvoyGateway) {
  ir::Cluster cluster{.name = "httproute/envoy-gateway/httproute-btls/rule/0",
                      .discovery = ir::Discovery::kDns};
  cluster.dns_localities = {{.endpoints = {{.address = "example.com", .port = 8080}}}};
  cluster.tls = ir::UpstreamTls{.validation_secret = "system_ca_certificates"};
  for (const json& proxy : parity("backend-system-truststore-shared-secret")) {
    EXPECT_EQ(rendered(cluster), [&] {
      json want = expected_cluster(proxy, cluster.name);
      want["loadAssignment"]["endpoints"][0]["lbEndpoints"][0].erase("metadata");
      return want;
    }());
  }
  for (const json& proxy : parity("backend-tls-auto-host-sni")) {
    cluster.dns_localities[0].endpoints[0].port = 3001;
    cluster.tls->sni_from_endpoint = true;
    cluster.tls->validation_secret = "backend-1/backends-ca";
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
}

TEST(Cluster, TlsOfAPolicyAsEnvoyGateway) {
  ir::Cluster cluster = web();
  cluster.tls = ir::UpstreamTls{.sni = "example.com", .validation_secret = "system_ca_certificates"};
  cluster.tls->subject_alt_names = {
      {ir::SubjectAltName::Kind::kUri, "spiffe://cluster.local/ns/istio-demo/sa/echo-v1"},
      {ir::SubjectAltName::Kind::kDns, "subdomain.secondexample.com"}};
  for (const json& proxy : parity("httproute-with-tls-and-http")) {
    cluster.tls->beside_plaintext = true;
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
  for (const json& proxy : parity("backend-tls-settings")) {
    if (expected_cluster(proxy, cluster.name).is_null()) continue;  // of another gateway
    cluster.tls->beside_plaintext = false;
    cluster.tls->certificate_secret = "envoy-gateway-system/client-auth";
    cluster.tls->alpn = {"HTTP/1.1", "HTTP/2"};
    cluster.tls->parameters.ciphers = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"};
    cluster.tls->parameters.curves = cluster.tls->parameters.ciphers;
    cluster.tls->parameters.signature_algorithms = {"RSA-PSS-RSAE-SHA256", "ECDSA-SECP256R1-SHA256"};
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
}

TEST(Cluster, DynamicAsEnvoyGateway) {
  ir::Cluster cluster{.name = "httproute/default/httproute-2/rule/0", .discovery = ir::Discovery::kDynamic};
  cluster.tls = ir::UpstreamTls{.validation_secret = "system_ca_certificates"};
  for (const json& proxy : parity("httproute-dynamic-resolver")) {
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
    cluster.name = "httproute/default/httproute-1/rule/0";
    cluster.protocol = ir::UpstreamProtocol::kHttp2;
    cluster.tls->validation_secret = "backend-with-custom-ca/default-ca";
    EXPECT_EQ(rendered(cluster), expected_cluster(proxy, cluster.name));
  }
}

// Envoy refuses a cluster of what requests name whose options neither send nor check that name, unless it is
// told that this is meant.
TEST(Cluster, DynamicIsOneThatEnvoyTakes) {
  const auto names_are_checked = [](const json& made) {
    const json& options =
        made["typedExtensionProtocolOptions"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    return options["upstreamHttpProtocolOptions"] == json({{"autoSni", true}, {"autoSanValidation", true}});
  };
  ir::Cluster cluster{.name = "any", .discovery = ir::Discovery::kDynamic};
  EXPECT_FALSE(rendered(cluster).contains("typedExtensionProtocolOptions"));
  cluster.protocol = ir::UpstreamProtocol::kHttp2;
  EXPECT_TRUE(names_are_checked(rendered(cluster)));
  cluster.tls = ir::UpstreamTls{.validation_secret = "ca"};
  EXPECT_TRUE(names_are_checked(rendered(cluster)));
  for (const ir::UpstreamTls& tls :
       {ir::UpstreamTls{.sni = "fixed.example", .validation_secret = "ca"}, ir::UpstreamTls{}}) {
    cluster.tls = tls;
    EXPECT_EQ(rendered(cluster)["clusterType"]["typedConfig"]["allowInsecureClusterOptions"], true);
  }
}

TEST(Cluster, NobodyAsEnvoyGateway) {
  const ir::Cluster nobody{.name = ir::kNowhere, .discovery = ir::Discovery::kNone};
  for (const json& proxy : parity("gateway-with-listener-with-unmatched-tcproute")) {
    EXPECT_EQ(rendered(nobody), expected_cluster(proxy, nobody.name));
  }
}

TEST(Cluster, SeveralWaysOfTls) {
  ir::Cluster cluster{.name = "web"};
  cluster.tls_by_name = {{"a", {.sni = "a.example"}}, {"b", {.sni = "b.example"}}};
  const json made = rendered(cluster);
  ASSERT_EQ(made["transportSocketMatches"].size(), 2U);
  EXPECT_EQ(made["transportSocketMatches"][1]["match"], json({{"name", "b"}}));
  EXPECT_EQ(made["transportSocketMatches"][1]["transportSocket"]["typedConfig"]["sni"], "b.example");
  EXPECT_TRUE(made.contains("transportSocket")) << "endpoints that ask for none of them";
  cluster.tls_by_name[0].second.beside_plaintext = true;
  EXPECT_FALSE(rendered(cluster).contains("transportSocket"));
}

// All combinations of what is serialised once: each parses, and reads the same when written in one piece.
TEST(Cluster, PiecesMakeAWhole) {
  for (const auto discovery : {ir::Discovery::kEds, ir::Discovery::kDns}) {
    for (const auto protocol :
         {ir::UpstreamProtocol::kHttp1, ir::UpstreamProtocol::kHttp1Explicit, ir::UpstreamProtocol::kHttp2}) {
      for (const bool tls : {false, true}) {
        ir::Cluster cluster{.name = "web", .discovery = discovery, .protocol = protocol};
        if (tls) cluster.tls = ir::UpstreamTls{.validation_secret = "ca"};
        const std::string bytes = render_cluster(cluster);
        envoy::config::cluster::v3::Cluster parsed;
        ASSERT_TRUE(parsed.ParseFromString(bytes));
        EXPECT_EQ(as_json(ResourceType::kCluster, bytes), as_json(ResourceType::kCluster, serialize(parsed)));
        EXPECT_EQ(serialize(parsed).size(), bytes.size()) << "a field is there twice";
        EXPECT_EQ(bytes, render_cluster(cluster));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::xds

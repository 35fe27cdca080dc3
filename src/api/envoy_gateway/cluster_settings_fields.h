// The declarations of how Envoy treats backends (cluster_settings.h).
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "api/envoy_gateway/cluster_settings.h"
#include "schema/type.h"

namespace sluice::api {

// The settings, each bound to the optional of its name.
schema::Type circuit_breaker();
schema::Type backend_connection();
schema::Type dns_settings();
schema::Type health_check();  // health_check.cc
schema::Type health_check_log();
schema::Type http2_settings();
schema::Type load_balancer();  // load_balancer.cc
schema::Type proxy_protocol();
schema::Type retry();
schema::Type tcp_keepalive();
schema::Type timeouts();

// The settings as fields, bound to the ClusterSettings that the member pointers lead to;
// cluster_settings_fields<>() is for ClusterSettings itself, as `backendSettings` is.
template <auto... kSettings>
std::vector<schema::Field> cluster_settings_fields() {
  using Settings = ClusterSettings;
  using schema::field;
  return {
      field<kSettings..., &Settings::circuit_breaker>("circuitBreaker", circuit_breaker())
          .doc("Limits beyond which requests are refused at once."),
      field<kSettings..., &Settings::connection>("connection", backend_connection())
          .doc("Settings of connections."),
      field<kSettings..., &Settings::dns>("dns", dns_settings()).doc("How names are looked up."),
      field<kSettings..., &Settings::health_check>("healthCheck", health_check())
          .doc("How endpoints that do not work are found and left out."),
      field<kSettings..., &Settings::http2>("http2", http2_settings()).doc("Settings of HTTP/2."),
      field<kSettings..., &Settings::load_balancer>("loadBalancer", load_balancer())
          .doc("Which endpoint a request goes to."),
      field<kSettings..., &Settings::proxy_protocol>("proxyProtocol", proxy_protocol())
          .doc("Tells backends the client's address ahead of each connection."),
      field<kSettings..., &Settings::retry>("retry", retry())
          .doc("Which requests are sent again, and how often."),
      field<kSettings..., &Settings::tcp_keepalive>("tcpKeepalive", tcp_keepalive())
          .doc("How the kernel finds dead connections."),
      field<kSettings..., &Settings::timeout>("timeout", timeouts()).doc("How long things may take."),
  };
}
std::vector<schema::Rule> cluster_settings_rules();

schema::Type policy_backend_refs();  // bound to std::vector<PolicyBackendRef>
schema::Type backend_settings();     // to ClusterSettings

// backendRefs and backendSettings, bound to the BackendCluster that the member pointers lead to, and
// backendRef, which no object may have any more.
std::vector<schema::Field> backend_fields(schema::Field refs, schema::Field settings);
template <auto... kCluster>
std::vector<schema::Field> backend_fields() {
  using schema::field;
  return backend_fields(
      field<kCluster..., &BackendCluster::backend_refs>("backendRefs", policy_backend_refs()),
      field<kCluster..., &BackendCluster::backend_settings>("backendSettings", backend_settings()));
}
// Backends are Services and Backends;
std::vector<schema::Rule> backend_rules();
// and in policies ServiceImports, too.
std::vector<schema::Rule> policy_backend_rules();

}  // namespace sluice::api

// TLSRoute, TCPRoute and UDPRoute: what they forward, they do not look into.
#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr const char* kTcpRoute = "TCP connections: what comes to a listener goes to backends.";
constexpr const char* kUdpRoute = "UDP packets: what comes to a listener goes to backends.";

Type rule() {
  return object({
      field<&StreamRouteRule::name>("name", section_name())
          .doc("The name of the rule, for policies and messages."),
      field<&StreamRouteRule::backend_refs>("backendRefs", backend_refs())
          .elsewhere(kBackendsElsewhere)
          .required()
          .doc("Where connections go."),
  });
}

// The versions differ in how many rules there may be.
Type one_rule() { return list(rule()).items(1, 1); }
Type many_rules() { return list(rule()).items(1, 16).with(rule_names_differ()); }

Type default_gateways() { return enumeration({"All", "None"}); }

template <typename Route>
Type stream_route(Type rules) {
  return resource<Route>(
      metadata_type(kSubdomain, 253),
      object({
          field<&StreamRouteSpec::parent_refs>("parentRefs", parent_refs())
              .elsewhere(kParentsElsewhere)
              .doc("The Gateways, or listeners of them, to which the route attaches."),
          field<&StreamRouteSpec::rules>("rules", std::move(rules))
              .required()
              .doc("Where connections, or packets, go."),
          field<&StreamRouteSpec::use_default_gateways>("useDefaultGateways", default_gateways())
              .doc("Whether the route attaches to default Gateways."),
      }),
      field("status", route_status()));
}

Type tls_route(Field hostnames, Type rules) {
  return resource<TLSRoute>(
             metadata_type(kSubdomain, 253),
             object({
                 field<&TLSRouteSpec::parent_refs>("parentRefs", parent_refs())
                     .elsewhere(kParentsElsewhere)
                     .doc("The Gateways, or listeners of them, to which the route attaches."),
                 std::move(hostnames),
                 field<&TLSRouteSpec::rules>("rules", std::move(rules))
                     .required()
                     .doc("Where connections go."),
                 field<&TLSRouteSpec::use_default_gateways>("useDefaultGateways", default_gateways())
                     .doc("Whether the route attaches to default Gateways."),
             }),
             field("status", route_status()))
      .doc("TLS connections: by the name in the handshake, they go to backends.");
}

}  // namespace

Type tls_route_type() {
  const std::vector<Rule> names_only{
      {.name = "hostname",
       .cel = "self.all(h, !isIP(h))",
       .message = "an IP address is no hostname: a TLS handshake names a host",
       .suggestion = "use the name that clients ask for"},
      {.name = "hostname",
       .cel =
           R"(self.all(h, !h.contains('*') ? h.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$') : true))",
       .message = "a hostname must be a DNS name"},
      {.name = "hostname",
       .cel =
           R"(self.all(h, h.contains('*') ? (h.startsWith('*.') && h.substring(2).matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$')) : true))",
       .message = "`*` can only be the first label of a hostname"},
  };
  return tls_route(
      field<&TLSRouteSpec::hostnames>("hostnames", list(hostname()).items(1, 1024).with(names_only))
          .elsewhere(kHostnamesElsewhere)
          .required()
          .doc("The names in the handshake (SNI) that are meant, within those of the listener."),
      one_rule());
}

Type tls_route_v1alpha2_type() {
  return tls_route(field<&TLSRouteSpec::hostnames>("hostnames", list(hostname()).max_items(1024))
                       .elsewhere(kHostnamesElsewhere)
                       .doc("The names in the handshake (SNI) that are meant, within those of the listener."),
                   many_rules());
}

Type tcp_route_type() { return stream_route<TCPRoute>(one_rule()).doc(kTcpRoute); }
Type tcp_route_v1alpha2_type() { return stream_route<TCPRoute>(many_rules()).doc(kTcpRoute); }
Type udp_route_type() { return stream_route<UDPRoute>(one_rule()).doc(kUdpRoute); }
Type udp_route_v1alpha2_type() { return stream_route<UDPRoute>(many_rules()).doc(kUdpRoute); }

}  // namespace sluice::api

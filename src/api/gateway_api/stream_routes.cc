// TLSRoute, TCPRoute and UDPRoute: what they forward, they do not look into.
#include "api/declarations.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

std::string address_among(const Value& hostnames) {
  return hostnames.first([](const Value& hostname) { return is_ip_address(std::string(hostname.text())); });
}

Type rule() {
  return object({
      field<&StreamRouteRule::name>("name", section_name()),
      field<&StreamRouteRule::backend_refs>("backendRefs", backend_refs()).required(),
  });
}

// The versions differ in how many rules there may be.
Type one_rule() { return list(rule()).items(1, 1); }
Type many_rules() { return list(rule()).items(1, 16).with(rule_names_differ()); }

Type default_gateways() { return enumeration({"All", "None"}); }

template <typename Route>
Type stream_route(Type rules) {
  return resource<Route>(metadata_type(kSubdomain, 253),
                         object({
                             field<&StreamRouteSpec::parent_refs>("parentRefs", parent_refs()),
                             field<&StreamRouteSpec::rules>("rules", std::move(rules)).required(),
                             field("useDefaultGateways", default_gateways()),
                         }));
}

Type tls_route(Field hostnames, Type rules) {
  return resource<TLSRoute>(metadata_type(kSubdomain, 253),
                            object({
                                field<&TLSRouteSpec::parent_refs>("parentRefs", parent_refs()),
                                std::move(hostnames),
                                field<&TLSRouteSpec::rules>("rules", std::move(rules)).required(),
                                field("useDefaultGateways", default_gateways()),
                            }));
}

}  // namespace

Type tls_route_type() {
  const Rule names_only{.name = "hostname",
                        .message = "an IP address is no hostname: a TLS handshake names a host",
                        .holds = [](const Value& self) { return address_among(self).empty(); },
                        .suggestion = "use the name that clients ask for",
                        .culprit = address_among};
  return tls_route(
      field<&TLSRouteSpec::hostnames>("hostnames", list(hostname()).items(1, 1024).with(names_only))
          .required(),
      one_rule());
}

Type tls_route_v1alpha2_type() {
  return tls_route(field<&TLSRouteSpec::hostnames>("hostnames", list(hostname()).max_items(1024)),
                   many_rules());
}

Type tcp_route_type() { return stream_route<TCPRoute>(one_rule()); }
Type tcp_route_v1alpha2_type() { return stream_route<TCPRoute>(many_rules()); }
Type udp_route_type() { return stream_route<UDPRoute>(one_rule()); }
Type udp_route_v1alpha2_type() { return stream_route<UDPRoute>(many_rules()); }

}  // namespace sluice::api

#include <map>
#include <string_view>

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/envoy_gateway/types.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kIpAddress{
    R"(^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$|^(([0-9a-fA-F]{1,4}:){1,7}[0-9a-fA-F]{1,4}|::|(([0-9a-fA-F]{1,4}:){0,5})?(:[0-9a-fA-F]{1,4}){1,2})$)",
    "an IPv4 or IPv6 address"};

Type endpoint() {
  return object(
             {
                 field<&BackendEndpoint::hostname>("hostname", precise_hostname())
                     .doc("The name by which requests to the endpoint are made."),
                 field<&BackendEndpoint::ip>(
                     "ip",
                     object({
                         field<&HostPort::host>("address", string().length(3, 45).matches(kIpAddress))
                             .required()
                             .doc("The IP address."),
                         field<&HostPort::port>("port", int32().range(0, 65535)).required().doc("The port."),
                     }))
                     .doc("An address and a port."),
                 field<&BackendEndpoint::fqdn>(
                     "fqdn",
                     object({
                         field<&HostPort::host>("hostname",
                                                string().length(1, 253).matches(kAbsoluteSubdomain))
                             .required()
                             .doc("The DNS name."),
                         field<&HostPort::port>("port", int32().range(0, 65535)).required().doc("The port."),
                     }))
                     .doc("A DNS name and a port."),
                 flattened(
                     "unix",
                     object({
                         field<&BackendEndpoint::unix_path>(
                             "path", string().with({.name = "unix-path",
                                                    .cel = "size(self) <= 108",
                                                    .message = "the path of a Unix domain socket can have "
                                                               "at most 108 characters"}))
                             .required()
                             .doc("The path of the socket."),
                     }))
                     .doc("A Unix domain socket."),
                 field<&BackendEndpoint::zone>("zone", string()).doc("The zone in which it is."),
             })
      .with({
          {.name = "endpoint-address",
           .cel = "(has(self.fqdn) || has(self.ip) || has(self.unix))",
           .message = "an endpoint needs an address",
           .suggestion = "add `fqdn`, `ip` or `unix`"},
          {.name = "endpoint-address",
           .cel = "((has(self.fqdn) && !(has(self.ip) || has(self.unix))) || (has(self.ip) && "
                  "!(has(self.fqdn) || "
                  "has(self.unix))) || (has(self.unix) && !(has(self.ip) || has(self.fqdn))))",
           .message = "an endpoint has exactly one address",
           .suggestion = "keep one of `fqdn`, `ip` and `unix`, and make endpoints of the others"},
      });
}

Type tls() {
  std::vector<Field> fields = backend_tls_fields<&BackendTLSSettings::settings>();
  fields.push_back(
      field<&BackendTLSSettings::auto_sni_from_endpoint_hostname>("autoSNIFromEndpointHostname", boolean())
          .doc("Whether the endpoint's hostname is the name in the handshake."));
  fields.push_back(field<&BackendTLSSettings::ca_certificate_refs>(
                       "caCertificateRefs", list(local_object_reference("ConfigMap")).max_items(8))
                       .doc("Objects with the certificates of the authorities to trust."));
  fields.push_back(field<&BackendTLSSettings::insecure_skip_verify>("insecureSkipVerify", boolean())
                       .defaults_to(false)
                       .doc("Whether any certificate is taken."));
  fields.push_back(
      field<&BackendTLSSettings::sni>("sni", precise_hostname()).doc("The name in the handshake (SNI)."));
  fields.push_back(field<&BackendTLSSettings::well_known_ca_certificates>(
                       "wellKnownCACertificates", string().length(1, 253).matches(kWellKnownCertificates))
                       .doc("A set of authorities to trust: `System` is that of the host."));
  return object(std::move(fields))
      .with(tls_settings_rules())
      .with({
          {.name = "ca-certificates",
           .cel =
               R"(!(has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0 && has(self.wellKnownCACertificates) && self.wellKnownCACertificates != ""))",
           .message = "`caCertificateRefs` and `wellKnownCACertificates` are both set",
           .suggestion = "keep one of the two"},
          {.name = "ca-certificates",
           .cel =
               R"(!((has(self.insecureSkipVerify) && self.insecureSkipVerify) && ((has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0) || (has(self.wellKnownCACertificates) && self.wellKnownCACertificates != ""))))",
           .message = "CA certificates are set, and `insecureSkipVerify` leaves them unused",
           .suggestion = "remove `insecureSkipVerify`",
           .blame = "insecureSkipVerify"},
          {.name = "sni",
           .cel = "!(has(self.sni) && has(self.autoSNIFromEndpointHostname) && "
                  "self.autoSNIFromEndpointHostname)",
           .message = "`sni` and `autoSNIFromEndpointHostname` are both set",
           .suggestion = "keep one of the two",
           .blame = "sni"},
      });
}

}  // namespace

Type backend_type() {
  const Type spec =
      object(
          {
              field<&BackendSpec::type>("type", enumeration({"Endpoints", "DynamicResolver"}))
                  .defaults_to("Endpoints")
                  .doc("Whether the endpoints are listed, or found by the host of each request."),
              field<&BackendSpec::endpoints>(
                  "endpoints",
                  list(endpoint())
                      .items(1, 256)
                      .with({.name = "endpoint-mix",
                             .cel = "self.all(f, has(f.fqdn)) || !self.exists(f, has(f.fqdn))",
                             .message = "`fqdn` endpoints stand beside endpoints of other addresses",
                             .suggestion = "make a Backend of its own for the `fqdn` endpoints"}))
                  .doc("Where requests go."),
              field<&BackendSpec::app_protocols>(
                  "appProtocols", list(enumeration({"gateway.envoyproxy.io/h2c", "gateway.envoyproxy.io/ws",
                                                    "gateway.envoyproxy.io/wss"})))
                  .doc("What is spoken to the endpoints."),
              field<&BackendSpec::fallback>("fallback", boolean())
                  .doc("Whether the endpoints only serve when all others of a route are down."),
              field<&BackendSpec::tls>("tls", tls()).doc("TLS to the endpoints."),
          })
          .with({
              {.name = "dynamic-resolver",
               .cel = "self.type != 'DynamicResolver' || !has(self.endpoints)",
               .message = "a Backend of type `DynamicResolver` cannot have endpoints",
               .suggestion = "remove `endpoints`",
               .blame = "endpoints"},
              {.name = "dynamic-resolver",
               .cel = "self.type != 'DynamicResolver' || !has(self.tls) || "
                      "!(has(self.tls.autoSNIFromEndpointHostname) && self.tls.autoSNIFromEndpointHostname)",
               .message = "a Backend of type `DynamicResolver` cannot use `autoSNIFromEndpointHostname`",
               .suggestion = "remove it",
               .blame = "tls.autoSNIFromEndpointHostname"},
              {.name = "endpoint-hostname",
               .cel = "!has(self.tls) || !(has(self.tls.autoSNIFromEndpointHostname) && "
                      "self.tls.autoSNIFromEndpointHostname) || self.endpoints.all(e, (!has(e.ip) && "
                      "!has(e.unix)) || has(e.hostname))",
               .message =
                   "with `autoSNIFromEndpointHostname`, endpoints of type `ip` and `unix` need a `hostname`",
               .suggestion = "add `hostname`"},
          });
  return resource<Backend>(metadata_type(kSubdomain, 253), spec, field("status", backend_status()))
      .doc(
          "Where requests go that no Service knows: hosts outside, addresses, Unix sockets, or whatever host "
          "a request names.");
}

}  // namespace sluice::api

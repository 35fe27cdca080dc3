#include <map>
#include <string_view>

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/envoy_gateway/types.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kIpAddress{
    R"(^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$|^(([0-9a-fA-F]{1,4}:){1,7}[0-9a-fA-F]{1,4}|::|(([0-9a-fA-F]{1,4}:){0,5})?(:[0-9a-fA-F]{1,4}){1,2})$)",
    "an IPv4 or IPv6 address"};
// Of sun_path.
constexpr std::size_t kMaxUnixPath = 108;

Type endpoint() {
  const auto rule = [](const char* name, const char* message, bool (*holds)(const Value&),
                       const char* suggestion) {
    return Rule{.name = name, .message = message, .holds = holds, .suggestion = suggestion};
  };
  return object(
             {
                 field<&BackendEndpoint::hostname>("hostname", precise_hostname()),
                 field<&BackendEndpoint::ip>(
                     "ip", object({
                               field<&HostPort::host>("address", string().length(3, 45).matches(kIpAddress))
                                   .required(),
                               field<&HostPort::port>("port", int32().range(0, 65535)).required(),
                           })),
                 field<&BackendEndpoint::fqdn>(
                     "fqdn", object({
                                 field<&HostPort::host>("hostname",
                                                        string().length(1, 253).matches(kAbsoluteSubdomain))
                                     .required(),
                                 field<&HostPort::port>("port", int32().range(0, 65535)).required(),
                             })),
                 flattened(
                     "unix",
                     object({
                         field<&BackendEndpoint::unix_path>(
                             "path",
                             string().with(
                                 {.name = "unix-path",
                                  .message = "the path of a Unix domain socket can have "
                                             "at most 108 characters",
                                  .holds = [](const Value& self) { return self.size() <= kMaxUnixPath; }}))
                             .required(),
                     })),
                 field<&BackendEndpoint::zone>("zone", string()),
             })
      .with(rule(
          "endpoint-address", "an endpoint needs an address",
          [](const Value& self) { return self.has("fqdn") || self.has("ip") || self.has("unix"); },
          "add `fqdn`, `ip` or `unix`"))
      .with(rule(
          "endpoint-address", "an endpoint can have only one address, and several are set",
          [](const Value& self) {
            return (self.has("fqdn") ? 1 : 0) + (self.has("ip") ? 1 : 0) + (self.has("unix") ? 1 : 0) <= 1;
          },
          "keep one of `fqdn`, `ip` and `unix`, and make endpoints of the others"));
}

Type tls() {
  std::vector<Field> fields = backend_tls_fields<&BackendTLSSettings::settings>();
  const Type ca_reference = object({
      field<&LocalObjectReference::group>("group", group_name()).required(),
      field<&LocalObjectReference::kind>("kind", kind_name()).required(),
      field<&LocalObjectReference::name>("name", object_name()).required(),
  });
  fields.push_back(
      field<&BackendTLSSettings::auto_sni_from_endpoint_hostname>("autoSNIFromEndpointHostname", boolean()));
  fields.push_back(
      field<&BackendTLSSettings::ca_certificate_refs>("caCertificateRefs", list(ca_reference).max_items(8)));
  fields.push_back(
      field<&BackendTLSSettings::insecure_skip_verify>("insecureSkipVerify", boolean()).defaults_to(false));
  fields.push_back(field<&BackendTLSSettings::sni>("sni", precise_hostname()));
  fields.push_back(field<&BackendTLSSettings::well_known_ca_certificates>(
      "wellKnownCACertificates", string().length(1, 253).matches(kWellKnownCertificates)));
  return object(std::move(fields))
      .with(tls_settings_rules())
      .with({
          {.name = "ca-certificates",
           .message = "`caCertificateRefs` and `wellKnownCACertificates` are both set",
           .holds =
               [](const Value& self) {
                 return self["caCertificateRefs"].size() == 0 || self["wellKnownCACertificates"].size() == 0;
               },
           .suggestion = "keep one of the two"},
          {.name = "ca-certificates",
           .message = "CA certificates are set, and `insecureSkipVerify` leaves them unused",
           .holds =
               [](const Value& self) {
                 return !self["insecureSkipVerify"].is_true() ||
                        (self["caCertificateRefs"].size() == 0 &&
                         self["wellKnownCACertificates"].size() == 0);
               },
           .suggestion = "remove `insecureSkipVerify`",
           .blame = "insecureSkipVerify"},
          {.name = "sni",
           .message = "`sni` and `autoSNIFromEndpointHostname` are both set",
           .holds =
               [](const Value& self) {
                 return !self.has("sni") || !self["autoSNIFromEndpointHostname"].is_true();
               },
           .suggestion = "keep one of the two",
           .blame = "sni"},
      });
}

bool is_mixed(const Value& endpoints) {
  const std::size_t names = endpoints.count([](const Value& item) { return item.has("fqdn"); });
  return names != 0 && names != endpoints.size();
}

}  // namespace

Type backend_type() {
  const Type spec =
      object(
          {
              field<&BackendSpec::type>("type", enumeration({"Endpoints", "DynamicResolver"}))
                  .defaults_to("Endpoints"),
              field<&BackendSpec::endpoints>(
                  "endpoints",
                  list(endpoint())
                      .items(1, 256)
                      .with({.name = "endpoint-mix",
                             .message = "`fqdn` endpoints stand beside endpoints of other addresses",
                             .holds = [](const Value& self) { return !is_mixed(self); },
                             .suggestion = "make a Backend of its own for the `fqdn` endpoints"})),
              field<&BackendSpec::app_protocols>(
                  "appProtocols", list(enumeration({"gateway.envoyproxy.io/h2c", "gateway.envoyproxy.io/ws",
                                                    "gateway.envoyproxy.io/wss"}))),
              field<&BackendSpec::fallback>("fallback", boolean()),
              field<&BackendSpec::tls>("tls", tls()),
          })
          .with({
              {.name = "dynamic-resolver",
               .message = "a Backend of type `DynamicResolver` cannot have endpoints",
               .holds =
                   [](const Value& self) {
                     return self["type"].text() != "DynamicResolver" || !self.has("endpoints");
                   },
               .suggestion = "remove `endpoints`",
               .blame = "endpoints"},
              {.name = "dynamic-resolver",
               .message = "a Backend of type `DynamicResolver` cannot use `autoSNIFromEndpointHostname`",
               .holds =
                   [](const Value& self) {
                     return self["type"].text() != "DynamicResolver" ||
                            !self["tls"]["autoSNIFromEndpointHostname"].is_true();
                   },
               .suggestion = "remove it",
               .blame = "tls.autoSNIFromEndpointHostname"},
              {.name = "endpoint-hostname",
               .message =
                   "with `autoSNIFromEndpointHostname`, endpoints of type `ip` and `unix` need a `hostname`",
               .holds =
                   [](const Value& self) {
                     return !self["tls"]["autoSNIFromEndpointHostname"].is_true() ||
                            self["endpoints"].all([](const Value& item) {
                              return (!item.has("ip") && !item.has("unix")) || item.has("hostname");
                            });
                   },
               .suggestion = "add `hostname` to them"},
          });
  return resource<Backend>(metadata_type(kSubdomain, 253), spec);
}

}  // namespace sluice::api

#include <map>
#include <set>
#include <string>
#include <tuple>

#include <arpa/inet.h>
#include <re2/re2.h>

#include "api/declarations.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kAddressType{
    R"(^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$)",
    "`IPAddress`, `Hostname`, `NamedAddress`, or a type of an implementation's as in `example.com/type`"};
constexpr Pattern kProtocol{
    R"(^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$)",
    "`HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or a protocol of an implementation's as in "
    "`example.com/protocol`"};

bool is_hostname(std::string_view text) {
  static const auto* const regex = new re2::RE2(kWildcardSubdomain.regex);
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex);
}

bool has_unique_addresses(const Value& addresses, std::string_view type) {
  std::set<std::string_view> seen;
  return addresses.all([&](const Value& address) {
    return address["type"].text() != type || !address.has("value") ||
           seen.insert(address["value"].text()).second;
  });
}

Type route_namespaces(std::initializer_list<std::string> from, const char* default_from) {
  return object({
      field<&RouteNamespaces::from>("from", enumeration(from)).defaults_to(default_from),
      field<&RouteNamespaces::selector>("selector", label_selector()),
  });
}

Tree one_member(const char* key, Tree value) { return Tree::map({{.key = key, .value = std::move(value)}}); }

Type allowed_routes() {
  return object({
      field<&AllowedRoutes::kinds>("kinds",
                                   list(object({
                                            field<&RouteGroupKind::group>("group", group_name())
                                                .defaults_to("gateway.networking.k8s.io"),
                                            field<&RouteGroupKind::kind>("kind", kind_name()).required(),
                                        }))
                                       .max_items(8)),
      field<&AllowedRoutes::namespaces>("namespaces", route_namespaces({"All", "Selector", "Same"}, "Same"))
          .defaults_to(one_member("from", Tree::string("Same"))),
  });
}

Type listener_tls() {
  return object(
             {
                 field<&ListenerTLSConfig::certificate_refs>("certificateRefs",
                                                             list(secret_object_reference()).max_items(64)),
                 field<&ListenerTLSConfig::mode>("mode", enumeration({"Terminate", "Passthrough"}))
                     .defaults_to("Terminate"),
                 field<&ListenerTLSConfig::options>("options", map(string().length(0, 4096)).max_items(16)),
             })
      .with({.name = "missing-certificate",
             .message = "a listener that terminates TLS needs a certificate",
             .holds =
                 [](const Value& self) {
                   return self["mode"].text() != "Terminate" || self["certificateRefs"].size() > 0 ||
                          self["options"].size() > 0;
                 },
             .suggestion = "add `certificateRefs`"});
}

bool has_tls_protocol(const Value& listener) {
  const std::string_view protocol = listener["protocol"].text();
  return (protocol != "HTTP" && protocol != "TCP" && protocol != "UDP") || !listener.has("tls");
}
bool terminates_https(const Value& listener) {
  return listener["protocol"].text() != "HTTPS" || !listener.has("tls") ||
         listener["tls"]["mode"].text() == "Terminate";
}
bool has_tls_mode(const Value& listener) {
  return listener["protocol"].text() != "TLS" || listener["tls"].has("mode");
}
bool has_hostname_protocol(const Value& listener) {
  const std::string_view protocol = listener["protocol"].text();
  return (protocol != "TCP" && protocol != "UDP") || listener["hostname"].text().empty();
}

// The first listener whose port, protocol and hostname an earlier one has, or nothing.
std::string conflicting_listener(const Value& listeners) {
  std::set<std::tuple<std::int64_t, std::string_view, bool, std::string_view>> seen;
  return listeners.first([&seen](const Value& listener) {
    return !seen.emplace(listener["port"].integer(), listener["protocol"].text(), listener.has("hostname"),
                         listener["hostname"].text())
                .second;
  });
}

Type listeners() {
  const Type listener =
      object(
          {
              field<&Listener::name>("name", section_name()).required(),
              field<&Listener::hostname>("hostname", hostname()),
              field<&Listener::port>("port", port_number()).required(),
              field<&Listener::protocol>("protocol", string().length(1, 255).matches(kProtocol)).required(),
              field<&Listener::tls>("tls", listener_tls()),
              field<&Listener::allowed_routes>("allowedRoutes", allowed_routes())
                  .defaults_to(one_member("namespaces", one_member("from", Tree::string("Same")))),
          })
          .with({
              {.name = "listener-tls",
               .message = "a listener of protocol HTTP, TCP or UDP cannot have `tls`",
               .holds = has_tls_protocol,
               .suggestion = "use protocol `HTTPS` or `TLS`, or remove `tls`",
               .blame = "tls"},
              {.name = "listener-tls-mode",
               .message = "a listener of protocol HTTPS must have the TLS mode `Terminate`",
               .holds = terminates_https,
               .suggestion = "use protocol `TLS` to pass TLS through",
               .blame = "tls.mode"},
              {.name = "listener-tls-mode",
               .message = "a listener of protocol TLS needs `tls` with a mode",
               .holds = has_tls_mode,
               .suggestion = "add `tls: {mode: Passthrough}`, or `Terminate` with `certificateRefs`"},
              {.name = "listener-hostname",
               .message = "a listener of protocol TCP or UDP cannot have a `hostname`",
               .holds = has_hostname_protocol,
               .suggestion = "remove `hostname`",
               .blame = "hostname"},
          });
  return list(listener).items(1, 64).keyed_by({"name"}).with(
      {.name = "listener-conflict",
       .message = "an earlier listener has the same port, protocol and hostname",
       .holds = [](const Value& self) { return conflicting_listener(self).empty(); },
       .suggestion = "give one of them another port or hostname",
       .culprit = conflicting_listener});
}

Type addresses() {
  const Type address =
      object({
                 field<&GatewayAddress::type>("type", string().length(1, 253).matches(kAddressType))
                     .defaults_to("IPAddress"),
                 field<&GatewayAddress::value>("value", string().max_length(253)),
             })
          .with({.name = "address",
                 .message = "the value of an address of type `IPAddress` must be an IPv4 or IPv6 address",
                 .holds =
                     [](const Value& self) {
                       return self["type"].text() != "IPAddress" || !self.has("value") ||
                              is_ip_address(std::string(self["value"].text()));
                     },
                 .suggestion = "for a name, use type `Hostname`",
                 .blame = "value"})
          .with({.name = "address",
                 .message = "the value of an address of type `Hostname` must be a DNS name",
                 .holds =
                     [](const Value& self) {
                       return self["type"].text() != "Hostname" || !self.has("value") ||
                              is_hostname(self["value"].text());
                     },
                 .suggestion = "",
                 .blame = "value"});
  return list(address)
      .max_items(16)
      .with({.name = "address-duplicate",
             .message = "two addresses have the same `IPAddress`",
             .holds = [](const Value& self) { return has_unique_addresses(self, "IPAddress"); },
             .suggestion = "remove one"})
      .with({.name = "address-duplicate",
             .message = "two addresses have the same `Hostname`",
             .holds = [](const Value& self) { return has_unique_addresses(self, "Hostname"); },
             .suggestion = "remove one"});
}

// The part before the slash of each key is a DNS name's length at most.
bool has_short_prefixes(const Value& self) {
  constexpr std::size_t kMaxPrefix = 253;
  for (const Tree::Member& member : self.tree()->members()) {
    if (std::min(member.key.find('/'), member.key.size()) >= kMaxPrefix) return false;
  }
  return true;
}

Type infrastructure() {
  const Rule prefixes{.name = "key-prefix",
                      .message = "what stands before the `/` of a key must have fewer than 253 characters",
                      .holds = has_short_prefixes};
  return object({
      field<&GatewayInfrastructure::annotations>(
          "annotations",
          map(string().length(0, 4096)).max_items(16).keys_match(kQualifiedName).with(prefixes)),
      field<&GatewayInfrastructure::labels>("labels", map(string().length(0, 63).matches(kLabelValue))
                                                          .max_items(8)
                                                          .keys_match(kQualifiedName)
                                                          .with(prefixes)),
      field<&GatewayInfrastructure::parameters_ref>(
          "parametersRef", object({
                               field<&LocalParametersReference::group>("group", group_name()).required(),
                               field<&LocalParametersReference::kind>("kind", kind_name()).required(),
                               field<&LocalParametersReference::name>("name", object_name()).required(),
                           })),
  });
}

Type frontend_tls_config() {
  return object({
      field<&FrontendTLSConfig::validation>(
          "validation", object({
                            field<&FrontendTLSValidation::ca_certificate_refs>(
                                "caCertificateRefs", list(object_reference()).items(1, 16))
                                .required(),
                            field<&FrontendTLSValidation::mode>(
                                "mode", enumeration({"AllowValidOnly", "AllowInsecureFallback"}))
                                .defaults_to("AllowValidOnly"),
                        })),
  });
}

Type gateway_tls() {
  const Type per_port = object({
      field<&FrontendTLSPort::port>("port", port_number()).required(),
      field<&FrontendTLSPort::tls>("tls", frontend_tls_config()).required(),
  });
  return object({
      field<&GatewayTLSConfig::backend>("backend", object({
                                                       field<&GatewayBackendTLS::client_certificate_ref>(
                                                           "clientCertificateRef", secret_object_reference()),
                                                   })),
      field<&GatewayTLSConfig::frontend>(
          "frontend", object({
                          field<&GatewayFrontendTLS::default_>("default", frontend_tls_config()).required(),
                          field<&GatewayFrontendTLS::per_port>(
                              "perPort", list(per_port).max_items(64).keyed_by({"port"})),
                      })),
  });
}

}  // namespace

Type gateway_type() {
  return resource<Gateway>(
      metadata_type(kSubdomain, 253),
      object({
          field<&GatewaySpec::gateway_class_name>("gatewayClassName", object_name()).required(),
          field<&GatewaySpec::listeners>("listeners", listeners()).required(),
          field<&GatewaySpec::addresses>("addresses", addresses()),
          field<&GatewaySpec::infrastructure>("infrastructure", infrastructure()),
          field<&GatewaySpec::allowed_listeners>(
              "allowedListeners",
              object({
                  field<&AllowedListeners::namespaces>(
                      "namespaces", route_namespaces({"All", "Selector", "Same", "None"}, "None"))
                      .defaults_to(one_member("from", Tree::string("None"))),
              })),
          field<&GatewaySpec::tls>("tls", gateway_tls()),
          field<&GatewaySpec::default_scope>("defaultScope", enumeration({"All", "None"})),
      }));
}

Type listener_set_type() {
  const Type parent = object({
      field<&ParentGatewayReference::group>("group", group_name()).defaults_to("gateway.networking.k8s.io"),
      field<&ParentGatewayReference::kind>("kind", kind_name()).defaults_to("Gateway"),
      field<&ParentGatewayReference::name>("name", object_name()).required(),
      field<&ParentGatewayReference::namespace_>("namespace", namespace_name()),
  });
  return resource<ListenerSet>(metadata_type(kSubdomain, 253),
                               object({
                                   field<&ListenerSetSpec::parent_ref>("parentRef", parent).required(),
                                   field<&ListenerSetSpec::listeners>("listeners", listeners()).required(),
                               }));
}

}  // namespace sluice::api

#include <string>

#include <arpa/inet.h>

#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr const char* kDiffer =
    "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) "
    "&& has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))";
constexpr const char* kDifferInSets =
    "self.all(l1, !has(l1.port) || self.exists_one(l2, has(l2.port) && l1.port == l2.port && l1.protocol == "
    "l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) "
    "&& !has(l2.hostname))))";

constexpr std::string_view kCertificatesElsewhere[] = {"secretName", "secretRef", "certificateRef"};

constexpr Pattern kProtocol{
    R"(^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$)",
    "`HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or a protocol of an implementation's as in "
    "`example.com/protocol`"};

Type route_namespaces(std::initializer_list<std::string> from, const char* default_from) {
  return object({
      field<&RouteNamespaces::from>("from", enumeration(from))
          .defaults_to(default_from)
          .doc("From which namespaces they may come: from all, from this one, or from those that the "
               "selector finds."),
      field<&RouteNamespaces::selector>("selector", label_selector())
          .doc("The labels of the namespaces, with `from: Selector`."),
  });
}

Tree one_member(const char* key, Tree value) { return Tree::map({{.key = key, .value = std::move(value)}}); }

Type allowed_routes() {
  return object({
      field<&AllowedRoutes::kinds>(
          "kinds",
          list(
              object({
                  field<&RouteGroupKind::group>("group", group_name())
                      .defaults_to("gateway.networking.k8s.io")
                      .doc("The group of the routes."),
                  field<&RouteGroupKind::kind>("kind", kind_name()).required().doc("The kind of the routes."),
              }))
              .max_items(8))
          .doc("The kinds of routes that may attach. By default all that the protocol can serve."),
      field<&AllowedRoutes::namespaces>("namespaces", route_namespaces({"All", "Selector", "Same"}, "Same"))
          .defaults_to(one_member("from", Tree::string("Same")))
          .doc("The namespaces from which routes may attach."),
  });
}

Type listener_tls() {
  return object({
                    field<&ListenerTLSConfig::certificate_refs>("certificateRefs",
                                                                list(secret_object_reference()).max_items(64))
                        .elsewhere(kCertificatesElsewhere)
                        .doc("Secrets with the certificates to show. Where there are several, the client's "
                             "name chooses."),
                    field<&ListenerTLSConfig::mode>("mode", enumeration({"Terminate", "Passthrough"}))
                        .defaults_to("Terminate")
                        .doc("Whether TLS ends here, or is passed through to the backend as it is."),
                    field<&ListenerTLSConfig::options>("options", map(string().length(0, 4096)).max_items(16))
                        .doc("Settings of an implementation's own."),
                })
      .with({.name = "missing-certificate",
             .cel =
                 "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true",
             .message = "a listener that terminates TLS needs a certificate",
             .suggestion = "add `certificateRefs`"});
}

// `differ` is the rule that no two are alike, which the kinds spell differently.
Type listeners(const char* differ) {
  const Type listener = object({
      field<&Listener::name>("name", section_name())
          .required()
          .doc("The name by which routes choose the listener."),
      field<&Listener::hostname>("hostname", hostname())
          .doc("The host for which requests are taken; all when unset. `*.example.com` stands for all names "
               "that end so."),
      field<&Listener::port>("port", port_number())
          .required()
          .doc("The port on which the listener takes connections."),
      field<&Listener::protocol>("protocol", string().length(1, 255).matches(kProtocol))
          .required()
          .doc("What the listener speaks: `HTTP`, `HTTPS`, `TLS`, `TCP` or `UDP`."),
      field<&Listener::tls>("tls", listener_tls())
          .doc("Certificates, or that TLS passes through. For `HTTPS` and `TLS`."),
      field<&Listener::allowed_routes>("allowedRoutes", allowed_routes())
          .defaults_to(one_member("namespaces", one_member("from", Tree::string("Same"))))
          .doc("Which routes may attach to the listener."),
  });
  return list(listener).items(1, 64).keyed_by({"name"}).with({
      {.name = "listener-tls",
       .cel = "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
       .message = "a listener of protocol HTTP, TCP or UDP cannot have `tls`",
       .suggestion = "use protocol `HTTPS` or `TLS`, or remove `tls`",
       .blame = "tls"},
      {.name = "listener-tls-mode",
       .cel = "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == "
              "'Terminate') : true)",
       .message = "a listener of protocol HTTPS must have the TLS mode `Terminate`",
       .suggestion = "use protocol `TLS` to pass TLS through",
       .blame = "tls.mode"},
      {.name = "listener-tls-mode",
       .cel = "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))",
       .message = "a listener of protocol TLS needs `tls` with a mode",
       .suggestion = "add `tls: {mode: Passthrough}`, or `Terminate` with `certificateRefs`"},
      {.name = "listener-hostname",
       .cel = "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)",
       .message = "a listener of protocol TCP or UDP cannot have a `hostname`",
       .suggestion = "remove `hostname`",
       .blame = "hostname"},
      {.name = "listener-name",
       .cel = "self.all(l1, self.exists_one(l2, l1.name == l2.name))",
       .message = "an earlier listener has the same name",
       .suggestion = "rename one of them"},
      {.name = "listener-conflict",
       .cel = differ,
       .message = "an earlier listener has the same port, protocol and hostname",
       .suggestion = "give one of them another port or hostname"},
  });
}

Type addresses() {
  const Type address =
      gateway_address(field<&GatewayAddress::value>("value", string().max_length(253)))
          .with(
              {.name = "address",
               .cel =
                   R"x(self.type == 'Hostname' ? (!has(self.value) || self.value.matches(r"""^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$""")): true)x",
               .message = "the value of an address of type `Hostname` must be a DNS name",
               .blame = "value"});
  return list(address)
      .max_items(16)
      .with({.name = "address-duplicate",
             .cel = "self.all(a1, a1.type == 'IPAddress' && has(a1.value) ? self.exists_one(a2, a2.type == "
                    "a1.type && has(a2.value) && a2.value == a1.value) : true )",
             .message = "an earlier address of type `IPAddress` has the same value",
             .suggestion = "remove one"})
      .with({.name = "address-duplicate",
             .cel = "self.all(a1, a1.type == 'Hostname'  && has(a1.value) ? self.exists_one(a2, a2.type == "
                    "a1.type && has(a2.value) && a2.value == a1.value) : true )",
             .message = "an earlier address of type `Hostname` has the same value",
             .suggestion = "remove one"});
}

Type infrastructure() {
  const std::vector<Rule> keys{
      {.name = "key",
       .cel =
           R"x(self.all(key, key.matches(r"""^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$""")))x",
       .message = "a key must be a name of at most 63 letters, digits, `-`, `_` and `.`, behind an optional "
                  "DNS name and `/`"},
      {.name = "key-prefix",
       .cel = R"x(self.all(key, key.split("/")[0].size() < 253))x",
       .message = "what stands before the `/` of a key must have fewer than 253 characters"},
  };
  return object({
      field<&GatewayInfrastructure::annotations>("annotations",
                                                 map(string().length(0, 4096)).max_items(16).with(keys))
          .doc("Annotations for what is made for the Gateway."),
      field<&GatewayInfrastructure::labels>(
          "labels", map(string().length(0, 63).matches(kLabelValue)).max_items(8).with(keys))
          .doc("Labels for what is made for the Gateway."),
      field<&GatewayInfrastructure::parameters_ref>(
          "parametersRef", object({
                               field<&LocalParametersReference::group>("group", group_name()).required(),
                               field<&LocalParametersReference::kind>("kind", kind_name()).required(),
                               field<&LocalParametersReference::name>("name", object_name())
                                   .required()
                                   .doc("The name of the EnvoyProxy."),
                           }))
          .doc("An EnvoyProxy in the same namespace, with settings for this Gateway."),
  });
}

Type frontend_tls_config() {
  return object({
      field<&FrontendTLSConfig::validation>(
          "validation",
          object({
              field<&FrontendTLSValidation::ca_certificate_refs>("caCertificateRefs",
                                                                 list(object_reference()).items(1, 16))
                  .required()
                  .doc("ConfigMaps or Secrets with the certificates of the authorities that clients must be "
                       "known to."),
              field<&FrontendTLSValidation::mode>("mode",
                                                  enumeration({"AllowValidOnly", "AllowInsecureFallback"}))
                  .defaults_to("AllowValidOnly")
                  .doc("Whether clients are let in whose certificate is missing or does not verify."),
          }))
          .doc("How the certificates of clients are verified. Clients need none when it is unset."),
  });
}

Type gateway_tls() {
  const Type per_port = object({
      field<&FrontendTLSPort::port>("port", port_number())
          .required()
          .doc("The port of the listeners that this is for."),
      field<&FrontendTLSPort::tls>("tls", frontend_tls_config())
          .required()
          .doc("What holds for this port instead of the default."),
  });
  return object({
      field<&GatewayTLSConfig::backend>(
          "backend", object({
                         field<&GatewayBackendTLS::client_certificate_ref>("clientCertificateRef",
                                                                           secret_object_reference())
                             .doc("The Secret with the certificate that backends are shown."),
                     }))
          .doc("How the Gateway shows itself to backends."),
      field<&GatewayTLSConfig::frontend>(
          "frontend", object({
                          field<&GatewayFrontendTLS::default_>("default", frontend_tls_config())
                              .required()
                              .doc("What holds for all HTTPS listeners."),
                          field<&GatewayFrontendTLS::per_port>(
                              "perPort", list(per_port).max_items(64).keyed_by({"port"}).with(
                                             {.name = "port",
                                              .cel = "self.all(t1, self.exists_one(t2, t1.port == t2.port))",
                                              .message = "an earlier entry is for the same port",
                                              .suggestion = "put all of it into one entry"}))
                              .doc("What holds for those of some ports instead."),
                      }))
          .doc("What clients must show."),
  });
}

}  // namespace

Type gateway_type() {
  return resource<Gateway>(
             metadata_type(kSubdomain, 253, /*with_uid=*/true),
             object({
                 field<&GatewaySpec::gateway_class_name>("gatewayClassName", object_name())
                     .required()
                     .doc("The GatewayClass, which says who serves the Gateway."),
                 field<&GatewaySpec::listeners>("listeners", listeners(kDiffer))
                     .required()
                     .doc("Where connections are taken, and what is spoken there."),
                 field<&GatewaySpec::addresses>("addresses", addresses())
                     .doc("The addresses wanted. By default the controller chooses."),
                 field<&GatewaySpec::infrastructure>("infrastructure", infrastructure())
                     .doc("Settings for what is made for the Gateway."),
                 field<&GatewaySpec::allowed_listeners>(
                     "allowedListeners",
                     object({
                         field<&AllowedListeners::namespaces>(
                             "namespaces", route_namespaces({"All", "Selector", "Same", "None"}, "None"))
                             .defaults_to(one_member("from", Tree::string("None")))
                             .doc("The namespaces from which they may attach."),
                     }))
                     .doc("Which ListenerSets may attach."),
                 field<&GatewaySpec::tls>("tls", gateway_tls())
                     .doc("Certificates of clients, and the one that backends are shown."),
                 field<&GatewaySpec::default_scope>("defaultScope", enumeration({"All", "None"}))
                     .doc("Whether routes that ask for default Gateways attach to this one."),
             }),
             field("status", gateway_status()).defaults_to(waiting_status({"Accepted", "Programmed"})))
      .doc(
          "Where traffic comes in: listeners with ports, protocols and certificates. Routes attach to them.");
}

Type listener_set_type() {
  const Type parent = object({
      field<&ParentGatewayReference::group>("group", group_name()).defaults_to("gateway.networking.k8s.io"),
      field<&ParentGatewayReference::kind>("kind", kind_name())
          .defaults_to("Gateway")
          .doc("The kind of the parent."),
      field<&ParentGatewayReference::name>("name", object_name()).required().doc("The name of the Gateway."),
      field<&ParentGatewayReference::namespace_>("namespace", namespace_name())
          .doc("The namespace of the Gateway, by default that of the ListenerSet."),
  });
  return resource<ListenerSet>(
             metadata_type(kSubdomain, 253),
             object({
                 field<&ListenerSetSpec::parent_ref>("parentRef", parent)
                     .required()
                     .doc("The Gateway that serves the listeners."),
                 field<&ListenerSetSpec::listeners>("listeners", listeners(kDifferInSets))
                     .required()
                     .doc("More listeners for the Gateway, after its own."),
             }),
             field("status", listener_set_status()).defaults_to(waiting_status({"Accepted", "Programmed"})))
      .doc("More listeners for a Gateway, of others than its owner.");
}

}  // namespace sluice::api

#include <utility>

#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

Type external_hostname() {
  return object({
      field<&XBackendSpec::hostname>(
          "hostname",
          precise_hostname().with({.name = "external-hostname",
                                   .cel = "!self.endsWith('.cluster.local')",
                                   .message = "a name of the cluster's own is no external hostname",
                                   .suggestion = "refer to the Service itself, in place of an XBackend"}))
          .required()
          .doc("The name, which DNS knows."),
  });
}

Type port() {
  const Type name =
      string().max_length(63).with({.name = "port-name",
                                    .cel = "size(self) == 0 || format.dns1123Label().validate(self) == null",
                                    .message = "the name of a port must be a DNS label"});
  return object({
      field("name", name).passive().doc("What the port is called, for people."),
      field<&XBackendSpec::port>("port", port_number()).required().doc("The number of the port."),
  });
}

Type tls() {
  return object(
             {
                 field<&XBackendTLS::client_certificate_ref>("clientCertificateRef",
                                                             secret_object_reference())
                     .doc("The Secret with the certificate that the backend is shown."),
                 field<&XBackendTLS::mode>("mode", enumeration({"None", "ServerOnly", "ClientAndServer"}))
                     .required()
                     .doc("Who shows a certificate: nobody, as in plain text, the backend, or both."),
                 field<&XBackendTLS::validation>("validation", backend_tls_validation())
                     .doc("Whom connections trust. By default the authorities of the host, for `hostname`."),
             })
      .with({.name = "client-certificate",
             .cel = "self.mode == 'ClientAndServer' ? has(self.clientCertificateRef) : "
                    "!has(self.clientCertificateRef)",
             .message = "`clientCertificateRef` is for `mode: ClientAndServer`, which needs it",
             .suggestion = "set both, or neither",
             .blame = "mode"});
}

}  // namespace

Type x_backend_type() {
  const Type spec =
      object({
                 flattened("externalHostname", external_hostname()).doc("Where an external host is."),
                 flattened("port", port()).required().doc("The port to connect to."),
                 field<&XBackendSpec::protocol>("protocol",
                                                enumeration({"TCP", "HTTP", "HTTP2", "HTTP11", "H2C", "MCP"}))
                     .doc("What the backend speaks. By default what the route is about."),
                 field<&XBackendSpec::tls>("tls", tls()).doc("How connections are encrypted."),
                 field("type", enumeration({"ExternalHostname"}))
                     .required()
                     .passive()
                     .doc("What kind of backend it is: a host outside."),
             })
          .with({.name = "external-hostname",
                 .cel = "self.type == 'ExternalHostname' ? has(self.externalHostname) : "
                        "!has(self.externalHostname)",
                 .message = "a backend of type `ExternalHostname` needs the field `externalHostname`",
                 .suggestion = "add `externalHostname: {hostname: …}`",
                 .blame = "type"});
  return resource<XBackend>(metadata_type(kSubdomain, 253), spec, field("status", x_backend_status()))
      .doc("A host outside to which routes send, and how to speak to it.");
}

}  // namespace sluice::api

#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// What other configurations call the field.
constexpr std::string_view kSectionElsewhere[] = {"port", "portName"};

constexpr Pattern kUri{R"(^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?)",
                       "a URI with a scheme and a host, as in `spiffe://example.com/service`"};

Type target_refs() {
  const Type ref = object({
      field<&LocalPolicyTargetReference::group>("group", group_name()).required(),
      field<&LocalPolicyTargetReference::kind>("kind", kind_name()).required(),
      field<&LocalPolicyTargetReference::name>("name", object_name()).required(),
      field<&LocalPolicyTargetReference::section_name>("sectionName", section_name())
          .elsewhere(kSectionElsewhere)
          .doc("The name of the Service's port that is meant. By default all ports."),
  });
  return list(ref).items(1, 16).with({
      {.name = "target-section",
       .cel = "self.all(p1, self.all(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name ? "
              "((!has(p1.sectionName) || p1.sectionName == '') == (!has(p2.sectionName) || p2.sectionName == "
              "'')) : true))",
       .message = "of several references to one target each needs a `sectionName`",
       .suggestion = "add `sectionName`, the name of a port"},
      {.name = "target-section",
       .cel = "self.all(p1, self.exists_one(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == "
              "p2.name && (((!has(p1.sectionName) || p1.sectionName == '') && (!has(p2.sectionName) || "
              "p2.sectionName == '')) || (has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == "
              "p2.sectionName))))",
       .message = "an earlier reference has the same target and `sectionName`",
       .suggestion = "remove one of the two"},
  });
}

Type subject_alt_name() {
  return object({
                    field<&SubjectAltName::type>("type", enumeration({"Hostname", "URI"}))
                        .required()
                        .doc("Whether the name is a host's or a URI."),
                    field<&SubjectAltName::hostname>("hostname", hostname()).doc("The host's name."),
                    field<&SubjectAltName::uri>("uri", string().length(1, 253).matches(kUri)).doc("The URI."),
                })
      .with({
          {.name = "subject-alt-name",
           .cel = R"(!(self.type == "Hostname" && (!has(self.hostname) || self.hostname == "")))",
           .message = "a name of type `Hostname` needs `hostname`",
           .suggestion = "add `hostname`",
           .blame = "type"},
          {.name = "subject-alt-name",
           .cel = R"(!(self.type != "Hostname" && has(self.hostname) && self.hostname != ""))",
           .message = "`hostname` is set, and the type of the name is not `Hostname`",
           .suggestion = "remove it, or make another name of it",
           .blame = "hostname"},
          {.name = "subject-alt-name",
           .cel = R"(!(self.type == "URI" && (!has(self.uri) || self.uri == "")))",
           .message = "a name of type `URI` needs `uri`",
           .suggestion = "add `uri`",
           .blame = "type"},
          {.name = "subject-alt-name",
           .cel = R"(!(self.type != "URI" && has(self.uri) && self.uri != ""))",
           .message = "`uri` is set, and the type of the name is not `URI`",
           .suggestion = "remove it, or make another name of it",
           .blame = "uri"},
      });
}

}  // namespace

Type backend_tls_validation() {
  return object({
                    field<&BackendTLSPolicyValidation::ca_certificate_refs>(
                        "caCertificateRefs", list(local_object_reference("ConfigMap")).max_items(8))
                        .doc("ConfigMaps and the like with the certificates of the authorities to trust."),
                    field<&BackendTLSPolicyValidation::hostname>("hostname", precise_hostname())
                        .required("add `hostname`, the name in the backend's certificate")
                        .doc("The name in the handshake (SNI), and in the certificate unless "
                             "`subjectAltNames` says otherwise."),
                    field<&BackendTLSPolicyValidation::subject_alt_names>(
                        "subjectAltNames", list(subject_alt_name()).max_items(5))
                        .doc("Names one of which the certificate must have."),
                    field<&BackendTLSPolicyValidation::well_known_ca_certificates>(
                        "wellKnownCACertificates", string().length(1, 253).matches(kWellKnownCertificates))
                        .doc("A set of authorities to trust: `System` is that of the host."),
                })
      .with({
          {.name = "ca-certificates",
           .cel =
               R"(!(has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0 && has(self.wellKnownCACertificates) && self.wellKnownCACertificates != ""))",
           .message = "`caCertificateRefs` and `wellKnownCACertificates` are both set",
           .suggestion = "keep one of the two",
           .blame = "wellKnownCACertificates"},
          {.name = "ca-certificates",
           .cel =
               R"((has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0 || has(self.wellKnownCACertificates) && self.wellKnownCACertificates != ""))",
           .message = "nothing says which CA certificates to trust",
           .suggestion = "add `caCertificateRefs`, or `wellKnownCACertificates: System`"},
      });
}

Type backend_tls_policy_type() {
  return resource<BackendTLSPolicy>(
             metadata_type(kSubdomain, 253),
             object({
                 field("options", map(string().length(0, 4096)).max_items(16))
                     .doc("Settings of an implementation's own."),
                 field<&BackendTLSPolicySpec::target_refs>("targetRefs", target_refs())
                     .required()
                     .doc("The Services, or ports of them, for which the policy is."),
                 field<&BackendTLSPolicySpec::validation>("validation", backend_tls_validation())
                     .required()
                     .doc("Whom connections trust."),
             }),
             field("status", policy_status()))
      .doc("How connections to backends are encrypted, and whom they trust.");
}

}  // namespace sluice::api

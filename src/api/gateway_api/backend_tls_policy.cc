#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "api/declarations.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kUri{R"(^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?)",
                       "a URI with a scheme and a host, as in `spiffe://example.com/service`"};

using Target = std::tuple<std::string_view, std::string_view, std::string_view>;

Target target_of(const Value& ref) { return {ref["group"].text(), ref["kind"].text(), ref["name"].text()}; }

// The first target that an earlier reference has, once with a sectionName and once without; or nothing.
std::string half_sectioned(const Value& refs) {
  std::map<Target, bool> sectioned;
  return refs.first([&sectioned](const Value& ref) {
    const bool has_section = !ref["sectionName"].text().empty();
    return sectioned.try_emplace(target_of(ref), has_section).first->second != has_section;
  });
}

// The first target that an earlier reference has with the same sectionName, or nothing.
std::string repeated(const Value& refs) {
  std::set<std::pair<Target, std::string_view>> seen;
  return refs.first(
      [&seen](const Value& ref) { return !seen.emplace(target_of(ref), ref["sectionName"].text()).second; });
}

Type target_refs() {
  const Type ref = object({
      field<&LocalPolicyTargetReference::group>("group", group_name()).required(),
      field<&LocalPolicyTargetReference::kind>("kind", kind_name()).required(),
      field<&LocalPolicyTargetReference::name>("name", object_name()).required(),
      field<&LocalPolicyTargetReference::section_name>("sectionName", section_name()),
  });
  return list(ref).items(1, 16).with(
      {{.name = "target-section",
        .message = "of several references to one target each needs a `sectionName`",
        .holds = [](const Value& self) { return half_sectioned(self).empty(); },
        .suggestion = "add `sectionName`, the name of a port",
        .culprit = half_sectioned},
       {.name = "target-section",
        .message = "an earlier reference has the same target and `sectionName`",
        .holds = [](const Value& self) { return repeated(self).empty(); },
        .suggestion = "remove one of the two",
        .culprit = repeated}});
}

// A name of one type has that type's field and not the other's.
bool has_its_value(const Value& name) {
  const bool is_hostname = name["type"].text() == "Hostname";
  return !name[is_hostname ? "hostname" : "uri"].text().empty();
}
bool has_no_other_value(const Value& name) {
  const bool is_hostname = name["type"].text() == "Hostname";
  return name[is_hostname ? "uri" : "hostname"].text().empty();
}

Type subject_alt_name() {
  return object({
                    field<&SubjectAltName::type>("type", enumeration({"Hostname", "URI"})).required(),
                    field<&SubjectAltName::hostname>("hostname", hostname()),
                    field<&SubjectAltName::uri>("uri", string().length(1, 253).matches(kUri)),
                })
      .with({
          {.name = "subject-alt-name",
           .message = "a name of type `Hostname` needs `hostname`, and one of type `URI` needs `uri`",
           .holds = has_its_value,
           .suggestion = "add it"},
          {.name = "subject-alt-name",
           .message = "a name of type `Hostname` has no `uri`, and one of type `URI` has no `hostname`",
           .holds = has_no_other_value,
           .suggestion = "remove it, or make another name of it"},
      });
}

Type validation() {
  const Type ca_ref = object({
      field<&LocalObjectReference::group>("group", group_name()).required(),
      field<&LocalObjectReference::kind>("kind", kind_name()).required(),
      field<&LocalObjectReference::name>("name", object_name()).required(),
  });
  return object({
                    field<&BackendTLSPolicyValidation::ca_certificate_refs>("caCertificateRefs",
                                                                            list(ca_ref).max_items(8)),
                    field<&BackendTLSPolicyValidation::hostname>("hostname", precise_hostname()).required(),
                    field<&BackendTLSPolicyValidation::subject_alt_names>(
                        "subjectAltNames", list(subject_alt_name()).max_items(5)),
                    field<&BackendTLSPolicyValidation::well_known_ca_certificates>(
                        "wellKnownCACertificates", string().length(1, 253).matches(kWellKnownCertificates)),
                })
      .with({
          {.name = "ca-certificates",
           .message = "`caCertificateRefs` and `wellKnownCACertificates` are both set",
           .holds =
               [](const Value& self) {
                 return self["caCertificateRefs"].size() == 0 || self["wellKnownCACertificates"].size() == 0;
               },
           .suggestion = "keep one of the two",
           .blame = "wellKnownCACertificates"},
          {.name = "ca-certificates",
           .message = "nothing says which CA certificates to trust",
           .holds =
               [](const Value& self) {
                 return self["caCertificateRefs"].size() != 0 || self["wellKnownCACertificates"].size() != 0;
               },
           .suggestion = "add `caCertificateRefs`, or `wellKnownCACertificates: System`"},
      });
}

}  // namespace

Type backend_tls_policy_type() {
  return resource<BackendTLSPolicy>(
      metadata_type(kSubdomain, 253),
      object({
          field("options", map(string().length(0, 4096)).max_items(16)),
          field<&BackendTLSPolicySpec::target_refs>("targetRefs", target_refs()).required(),
          field<&BackendTLSPolicySpec::validation>("validation", validation()).required(),
      }));
}

}  // namespace sluice::api

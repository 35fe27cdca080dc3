#include "translate/x_backend.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "api/gateway_api/shared.h"
#include "translate/ca_bundle.h"
#include "translate/policy/ancestors.h"
#include "translate/upstream_tls.h"

namespace sluice::translate {
namespace {

// Without a word on whom to trust, the authorities of the machine, and the name that is asked for.
void read_trust(const NamespacedName& name, const api::XBackendSpec& spec, const Inputs& inputs,
                const Projections& tables, flow::Reads& reads, BackendRow& row) {
  const ObjectKey key{.kind = api::kind_of<api::XBackend>(), .name = name};
  TlsTrust& trust = row.trust.emplace();
  trust.sni = spec.hostname;
  const auto trust_name = [&trust](std::string host) {
    trust.subject_alt_names.push_back({.kind = ir::SubjectAltName::Kind::kDns, .value = std::move(host)});
  };
  if (!spec.tls->validation) {
    trust.authorities.system = true;
    trust_name(spec.hostname);
    return;
  }
  const api::BackendTLSPolicyValidation& validation = *spec.tls->validation;
  trust.sni = validation.hostname;
  for (const api::SubjectAltName& san : validation.subject_alt_names) {
    const bool is_uri = san.type == api::SubjectAltNameType::kURI;
    trust.subject_alt_names.push_back(
        {.kind = is_uri ? ir::SubjectAltName::Kind::kUri : ir::SubjectAltName::Kind::kDns,
         .value = is_uri ? san.uri : san.hostname});
  }
  if (trust.subject_alt_names.empty()) trust_name(validation.hostname);
  CaReferences ca = resolve_ca(validation.ca_certificate_refs, validation.well_known_ca_certificates,
                               name.namespace_, inputs, tables, reads);
  trust.authorities = std::move(ca.authorities);
  for (const CaFailure& failure : ca.failures) {
    row.problems.push_back({.code = failure.code,
                            .severity = Severity::kError,
                            .where = {},
                            .object = key,
                            .path = "spec.tls.validation." + failure.field,
                            .message = failure.message,
                            .suggestion = failure.suggestion,
                            .also = {}});
  }
  if (!trust.authorities.empty()) return;
  row.tls_failure =
      ReferenceFailure{.reason = "InvalidBackendTLS",
                       .code = "reference/backend-tls",
                       .field = "",
                       .message = fmt::format("{} has no CA certificates to trust", key.to_string()),
                       .suggestion = "see what is wrong with the XBackend"};
}

}  // namespace

BackendRow read_x_backend(const NamespacedName& name, const api::XBackend& backend, const Inputs& inputs,
                          const Projections& tables, flow::Reads& reads) {
  BackendRow row;
  const ObjectKey key{.kind = api::kind_of<api::XBackend>(), .name = name};
  if (api::is_ip_address(backend.spec.hostname)) {
    row.refused = ReferenceFailure{
        .reason = "InvalidAddress",
        .code = "value/address",
        .field = "",
        .message = fmt::format("`{}` of {} is an address, and an XBackend has a name", backend.spec.hostname,
                               key.to_string()),
        .suggestion = "use a Backend of group gateway.envoyproxy.io, or a Service with an EndpointSlice"};
    row.problems.push_back({.code = row.refused->code,
                            .severity = Severity::kError,
                            .where = {},
                            .object = key,
                            .path = "spec.externalHostname.hostname",
                            .message = row.refused->message,
                            .suggestion = row.refused->suggestion,
                            .also = {}});
  }
  if (!backend.spec.tls || backend.spec.tls->mode == api::BackendTLSMode::kNone) return row;
  read_trust(name, backend.spec, inputs, tables, reads, row);
  if (!backend.spec.tls->client_certificate_ref) return row;
  api::TLSSettings settings;
  settings.client_certificate_ref = backend.spec.tls->client_certificate_ref;
  row.terms = read_tls_terms(settings, key, "spec.tls", tables, reads, row.problems);
  return row;
}

void fill_x_backend(const api::XBackendSpec& spec, ir::Cluster& cluster) {
  using Protocol = api::XBackendProtocol;
  switch (spec.protocol.value_or(Protocol::kTCP)) {
    case Protocol::kHTTP2:
    case Protocol::kH2C:
      cluster.protocol = ir::UpstreamProtocol::kHttp2;
      break;
    case Protocol::kHTTP11:
      cluster.protocol = ir::UpstreamProtocol::kHttp1Explicit;
      break;
    case Protocol::kTCP:
    case Protocol::kHTTP:
    case Protocol::kMCP:
      break;
  }
  cluster.discovery = ir::Discovery::kDns;
  cluster.dns_localities = {{.endpoints = {{.address = spec.hostname,
                                            .port = static_cast<std::uint16_t>(spec.port),
                                            .hostname = spec.hostname}}}};
}

ObjectStatus x_backend_status(const api::XBackend& backend, const BackendRow& row,
                              std::vector<PolicyUse> uses) {
  ObjectStatus status;
  status.generation = backend.metadata.generation;
  Condition accepted{"Accepted", true, "Accepted", "The XBackend is accepted"};
  if (row.refused) {
    accepted = {"Accepted", false, "Invalid", row.refused->message};
  } else if (row.tls_failure) {
    accepted = {"Accepted", false, "Invalid", row.tls_failure->message};
  } else if (!row.terms.certificate_error.empty()) {
    accepted = {"Accepted", false, "Invalid", row.terms.certificate_error};
  }
  std::set<api::ParentReference> parents;
  for (PolicyUse& use : uses) {
    use.ancestor.section_name.reset();
    use.ancestor.port.reset();
    parents.insert(std::move(use.ancestor));
  }
  for (const api::ParentReference& parent : parents)
    status.parents.emplace_back(parent, Conditions{accepted});
  status.parents = limit_parents(std::move(status.parents));
  return status;
}

}  // namespace sluice::translate

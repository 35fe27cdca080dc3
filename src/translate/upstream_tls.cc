#include "translate/upstream_tls.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_id.h"
#include "translate/backend.h"
#include "translate/ca_bundle.h"
#include "translate/extended_filter.h"
#include "translate/near.h"
#include "translate/policy/backend_tls.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

// Where Debian's ca-certificates, and Envoy Gateway's images, have those of the machine.
constexpr char kSystemCa[] = "/etc/ssl/certs/ca-certificates.crt";

// api::TLSVersion has the versions in the order of the ir's.
ir::TlsParameters::Version version_of(api::TLSVersion version) {
  return static_cast<ir::TlsParameters::Version>(version);
}
static_assert(static_cast<int>(api::TLSVersion::kAuto) ==
              static_cast<int>(ir::TlsParameters::Version::kAuto));
static_assert(static_cast<int>(api::TLSVersion::k1_3) == static_cast<int>(ir::TlsParameters::Version::k1_3));

// What is said in `own` counts before `base`.
TlsTerms over(const TlsTerms& base, const TlsTerms& own) {
  TlsTerms terms = base;
  if (own.certificate || !own.certificate_error.empty()) {
    terms.certificate = own.certificate;
    terms.certificate_error = own.certificate_error;
  }
  if (own.min_version) terms.min_version = own.min_version;
  if (own.max_version) terms.max_version = own.max_version;
  if (!own.ciphers.empty()) terms.ciphers = own.ciphers;
  if (!own.curves.empty()) terms.curves = own.curves;
  if (!own.signature_algorithms.empty()) terms.signature_algorithms = own.signature_algorithms;
  if (own.alpn) terms.alpn = own.alpn;
  return terms;
}

// The secret with the CA certificates, named after where they are.
SecretSource authorities_secret(const Authorities& authorities) {
  SecretSource secret{.name = "backend-ca/system", .certificate = {}, .authorities = authorities};
  if (authorities.system) return secret;
  std::vector<std::string> parts;
  for (const ObjectKey& object : authorities.objects) {
    parts.push_back(fmt::format("{}/{}", object.kind.kind(), object.name.to_string()));
  }
  secret.name = fmt::format("backend-ca/{}", fmt::join(parts, "+"));
  return secret;
}

// All that the connections depend on, in one text.
std::string describe(const ir::UpstreamTls& tls) {
  std::vector<std::string> parts{tls.sni, tls.sni_from_endpoint ? "endpoint" : "", tls.validation_secret,
                                 tls.certificate_secret.value_or(""), tls.beside_plaintext ? "mixed" : ""};
  const auto add = [&parts](std::string_view what, const std::vector<std::string>& values) {
    for (const std::string& value : values) parts.push_back(fmt::format("{} {}", what, value));
  };
  for (const ir::SubjectAltName& name : tls.subject_alt_names) {
    parts.push_back(fmt::format("san {} {}", static_cast<int>(name.kind), name.value));
  }
  add("alpn", tls.alpn);
  parts.push_back(fmt::format("version {} {}", static_cast<int>(tls.parameters.min),
                              static_cast<int>(tls.parameters.max)));
  add("cipher", tls.parameters.ciphers);
  add("curve", tls.parameters.curves);
  add("signature", tls.parameters.signature_algorithms);
  return fmt::format("{}", fmt::join(parts, "\n"));
}

ReferenceFailure tls_failure(std::string message, std::string suggestion) {
  return {.reason = "InvalidBackendTLS",
          .code = "reference/backend-tls",
          .field = "",
          .message = std::move(message),
          .suggestion = std::move(suggestion)};
}

}  // namespace

SecretSource system_authorities() {
  Authorities authorities;
  authorities.system = true;
  return authorities_secret(authorities);
}

std::expected<NamespacedName, CertificateFailure> resolve_client_certificate(
    const api::SecretObjectReference& ref, const ObjectKey& owner, const Projections& tables,
    flow::Reads& reads) {
  const auto failure = [](std::string code, std::string field, std::string message,
                          std::string suggestion = "") {
    return std::unexpected(CertificateFailure{.reason = "InvalidClientCertificateRef",
                                              .code = std::move(code),
                                              .field = std::move(field),
                                              .message = std::move(message),
                                              .suggestion = std::move(suggestion)});
  };
  if (const GroupKind kind(ref.group, ref.kind); kind != api::kind_of<api::Secret>()) {
    KindSlip slip = near_kind(kind, only_kind<api::Secret>(), "");
    return failure("reference/kind", slip.field,
                   fmt::format("a client certificate is in a Secret, not in a `{}`", words_of(kind)),
                   std::move(slip.suggestion));
  }
  const ObjectKey secret{api::kind_of<api::Secret>(),
                         {ref.namespace_.value_or(owner.name.namespace_), ref.name}};
  if (!permitted({owner.kind, owner.name.namespace_}, secret.kind, secret.name, tables, reads)) {
    auto refused =
        failure("reference/not-permitted", "namespace",
                fmt::format("no ReferenceGrant in namespace {} lets {}s of {} use {}", secret.name.namespace_,
                            owner.kind.kind(), owner.name.namespace_, secret.to_string()),
                missing_grant({owner.kind, owner.name.namespace_}, secret.kind, secret.name, tables, reads));
    refused.error().reason = "RefNotPermitted";
    return refused;
  }
  const CertificateRow* certificate = reads.get(tables.certificates, secret.name);
  if (certificate == nullptr) {
    return failure("reference/not-found", "name", fmt::format("there is no {}", secret.to_string()),
                   near_object(secret, {}, tables, reads));
  }
  if (!certificate->error.empty()) {
    return failure("reference/certificate", "name",
                   fmt::format("{} {}", secret.to_string(), certificate->error));
  }
  return secret.name;
}

TlsTerms read_tls_terms(const api::TLSSettings& settings, const ObjectKey& owner, const std::string& path,
                        const Projections& tables, flow::Reads& reads, std::vector<Problem>& problems) {
  TlsTerms terms;
  if (settings.client_certificate_ref) {
    const auto certificate =
        resolve_client_certificate(*settings.client_certificate_ref, owner, tables, reads);
    if (certificate) {
      terms.certificate = *certificate;
    } else {
      const CertificateFailure& failure = certificate.error();
      terms.certificate_error = failure.message;
      problems.push_back({.code = failure.code,
                          .severity = Severity::kError,
                          .where = {},
                          .object = owner,
                          .path = fmt::format("{}.clientCertificateRef{}{}", path,
                                              failure.field.empty() ? "" : ".", failure.field),
                          .message = failure.message,
                          .suggestion = failure.suggestion,
                          .also = {}});
    }
  }
  if (settings.min_version) terms.min_version = version_of(*settings.min_version);
  if (settings.max_version) terms.max_version = version_of(*settings.max_version);
  terms.ciphers = settings.ciphers;
  terms.curves = settings.ecdh_curves;
  terms.signature_algorithms = settings.signature_algorithms;
  terms.alpn = settings.alpn_protocols;
  return terms;
}

void plan_backend_tls(const api::Gateway& gateway, const Projections& tables, flow::Reads& reads,
                      GatewayPlan& plan) {
  const ObjectKey self{.kind = api::kind_of<api::Gateway>(), .name = plan.gateway};
  if (gateway.spec.tls && gateway.spec.tls->backend && gateway.spec.tls->backend->client_certificate_ref) {
    const auto certificate =
        resolve_client_certificate(*gateway.spec.tls->backend->client_certificate_ref, self, tables, reads);
    if (certificate) {
      plan.backend_tls.certificate = *certificate;
      if (find_condition(plan.conditions, "ResolvedRefs") == nullptr) {
        set_condition(plan.conditions, {"ResolvedRefs", true, "ResolvedRefs",
                                        "All TLS references of the Gateway lead somewhere"});
      }
      return;
    }
    const CertificateFailure& failure = certificate.error();
    set_condition(plan.conditions, {"ResolvedRefs", false, failure.reason, failure.message});
    plan.problems.push_back(
        {.code = failure.code,
         .severity = Severity::kError,
         .where = {},
         .object = self,
         .path = "spec.tls.backend.clientCertificateRef" + (failure.field.empty() ? "" : "." + failure.field),
         .message = failure.message,
         .suggestion = failure.suggestion,
         .also = {}});
    return;
  }
  if (plan.envoy_proxy == nullptr || !plan.envoy_proxy->spec.backend_tls) return;
  const api::ObjectMeta& metadata = plan.envoy_proxy->metadata;
  plan.backend_tls =
      read_tls_terms(*plan.envoy_proxy->spec.backend_tls,
                     {.kind = api::kind_of<api::EnvoyProxy>(), .name = {metadata.namespace_, metadata.name}},
                     "spec.backendTLS", tables, reads, plan.problems);
}

std::expected<void, ReferenceFailure> add_tls(const ObjectKey& backend, const std::string& section,
                                              const BackendRow* own, const BackendReader& reader,
                                              flow::Reads& reads, std::vector<PolicyUse>& policies,
                                              ClusterRow& row) {
  if (reader.passes_tls || reader.transport == "UDP") return {};
  const BackendTlsPolicyRow* policy = backend_tls_policy_of(backend, section, reader.tables, reads, policies);
  const TlsTrust* trust = policy != nullptr              ? &policy->trust
                          : own != nullptr && own->trust ? &*own->trust
                                                         : nullptr;
  if (trust == nullptr) return {};
  if (policy != nullptr && !policy->usable()) {
    return std::unexpected(tls_failure(
        fmt::format("the BackendTLSPolicy for {} has no CA certificates to trust", backend.to_string()),
        "see what is wrong with the policy"));
  }
  if (policy == nullptr && own->tls_failure) return std::unexpected(*own->tls_failure);
  const TlsTerms terms = own == nullptr ? reader.access.tls : over(reader.access.tls, own->terms);
  if (!terms.certificate_error.empty()) {
    return std::unexpected(
        tls_failure("the client certificate for backends cannot be used: " + terms.certificate_error, ""));
  }

  ir::UpstreamTls tls;
  tls.sni = trust->sni;
  tls.sni_from_endpoint = trust->sni_from_endpoint;
  tls.subject_alt_names = trust->subject_alt_names;
  if (trust->verify) {
    const SecretSource& secret = row.secrets.emplace_back(authorities_secret(trust->authorities));
    tls.validation_secret = secret.name;
  }
  if (terms.certificate) {
    const SecretSource& secret = row.secrets.emplace_back(
        SecretSource{.name = std::string(kBackendCertificates) + terms.certificate->to_string(),
                     .certificate = terms.certificate,
                     .authorities = {}});
    tls.certificate_secret = secret.name;
  }
  tls.parameters.min = terms.min_version.value_or(tls.parameters.min);
  tls.parameters.max = terms.max_version.value_or(tls.parameters.max);
  tls.parameters.ciphers = terms.ciphers;
  tls.parameters.curves = terms.curves;
  tls.parameters.signature_algorithms = terms.signature_algorithms;
  if (terms.alpn) tls.alpn = *terms.alpn;
  row.cluster.tls = std::move(tls);
  return {};
}

ir::Secret read_secret(const SecretSource& source, const Inputs& inputs, const Projections& tables,
                       flow::Reads& reads) {
  ir::Secret secret;
  secret.name = source.name;
  if (source.certificate) {
    if (const CertificateRow* certificate = reads.get(tables.certificates, *source.certificate)) {
      secret.certificate_pem = certificate->certificate_pem;
      secret.private_key_pem = certificate->private_key_pem;
    }
  } else if (source.credential) {
    const api::Secret* held = reads.get(inputs.secrets, *source.credential);
    if (held == nullptr) return secret;
    if (const auto at = held->data.find(kCredentialKey); at != held->data.end())
      secret.credential = at->second;
  } else if (source.authorities.system) {
    secret.ca_file = kSystemCa;
  } else {
    secret.ca_pem = join_ca(source.authorities.objects, inputs, reads);
  }
  return secret;
}

void name_after_tls(std::size_t base_size, ir::Cluster& cluster) {
  cluster.name.resize(base_size);
  if (cluster.tls) cluster.name += "/tls-" + content_id(describe(*cluster.tls));
}

}  // namespace sluice::translate

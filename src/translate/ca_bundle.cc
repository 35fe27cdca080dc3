#include "translate/ca_bundle.h"

#include <fmt/format.h>

#include "translate/certificate.h"
#include "translate/near.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kTrustBundleGroup = "certificates.k8s.io";

const std::string* ca_of(const api::StringMap& data) {
  for (const std::string_view key : {"ca.crt", "tls.crt"}) {
    if (const auto found = data.find(key); found != data.end()) return &found->second;
  }
  return data.size() == 1 ? &data.begin()->second : nullptr;
}

// Envoy Gateway takes a ClusterTrustBundle without its group, too.
std::expected<ObjectKey, CaFailure> locate(const api::LocalObjectReference& ref,
                                           const std::string& namespace_) {
  if (ref.group.empty() && ref.kind == "ConfigMap") {
    return ObjectKey{api::kind_of<api::ConfigMap>(), {namespace_, ref.name}};
  }
  if (ref.group.empty() && ref.kind == "Secret") {
    return ObjectKey{api::kind_of<api::Secret>(), {namespace_, ref.name}};
  }
  if ((ref.group.empty() || ref.group == kTrustBundleGroup) && ref.kind == "ClusterTrustBundle") {
    return ObjectKey{api::kind_of<api::ClusterTrustBundle>(), {"", ref.name}};
  }
  const GroupKind kind(ref.group, ref.kind);
  KindSlip slip = near_kind(kind, authority_kinds(), "use a ConfigMap, a Secret or a ClusterTrustBundle");
  return std::unexpected(CaFailure{.field = slip.field,
                                   .reason = "InvalidKind",
                                   .code = "reference/kind",
                                   .message = fmt::format("CA certificates are in no `{}`", words_of(kind)),
                                   .suggestion = std::move(slip.suggestion)});
}

CaFailure failure(std::string code, std::string message, std::string suggestion) {
  return {.field = "name",
          .reason = "InvalidCACertificateRef",
          .code = std::move(code),
          .message = std::move(message),
          .suggestion = std::move(suggestion)};
}

struct Found {
  bool object = false;               // it exists
  const std::string* pem = nullptr;  // what is where its CA certificates should be
};

Found find(const ObjectKey& object, const Inputs& inputs, flow::Reads& reads) {
  if (object.kind == api::kind_of<api::ConfigMap>()) {
    const api::ConfigMap* map = reads.get(inputs.config_maps, object.name);
    return {.object = map != nullptr, .pem = map == nullptr ? nullptr : ca_of(map->data)};
  }
  if (object.kind == api::kind_of<api::Secret>()) {
    const api::Secret* secret = reads.get(inputs.secrets, object.name);
    return {.object = secret != nullptr, .pem = secret == nullptr ? nullptr : ca_of(secret->data)};
  }
  const api::ClusterTrustBundle* bundle = reads.get(inputs.cluster_trust_bundles, object.name);
  return {.object = bundle != nullptr, .pem = bundle == nullptr ? nullptr : &bundle->spec.trust_bundle};
}

}  // namespace

std::string CaReferences::message() const {
  std::string all;
  for (const CaFailure& failure : failures) {
    if (!all.empty()) all += "; ";
    all += failure.message;
  }
  return all;
}

CaReferences resolve_ca(const std::vector<api::LocalObjectReference>& refs, const std::string& well_known,
                        const std::string& namespace_, const Inputs& inputs, const Projections& tables,
                        flow::Reads& reads) {
  CaReferences resolved;
  if (well_known == "System") {
    resolved.authorities.system = true;
  } else if (!well_known.empty()) {
    resolved.failures.push_back({.field = "wellKnownCACertificates",
                                 .reason = "InvalidCACertificateRef",
                                 .code = "support/ca-certificates",
                                 .message = fmt::format("there are no CA certificates `{}`", well_known),
                                 .suggestion = "use `System`"});
  }
  for (std::size_t i = 0; i < refs.size(); ++i) {
    auto object = locate(refs[i], namespace_);
    if (object) {
      if (auto pem = read_ca(*object, inputs, tables, reads); !pem) object = std::unexpected(pem.error());
    }
    if (object) {
      resolved.authorities.objects.push_back(*object);
      continue;
    }
    CaFailure& bad = resolved.failures.emplace_back(std::move(object.error()));
    bad.field = fmt::format("caCertificateRefs[{}].{}", i, bad.field);
  }
  return resolved;
}

std::expected<std::string, CaFailure> read_ca(const ObjectKey& object, const Inputs& inputs,
                                              const Projections& tables, flow::Reads& reads) {
  const Found found = find(object, inputs, reads);
  if (!found.object) {
    return std::unexpected(failure("reference/not-found", fmt::format("there is no {}", object.to_string()),
                                   near_object(object, authority_kinds(), tables, reads)));
  }
  if (found.pem == nullptr) {
    return std::unexpected(failure("reference/ca-certificates",
                                   fmt::format("{} has no CA certificates", object.to_string()),
                                   "put them under the key `ca.crt`"));
  }
  if (!holds_certificates(*found.pem)) {
    const bool damaged = found.pem->contains("-----BEGIN CERTIFICATE");
    return std::unexpected(
        failure("reference/ca-certificates",
                fmt::format("{} has {} where its CA certificates are", object.to_string(),
                            damaged ? "a certificate that cannot be read" : "no certificate in PEM"),
                ""));
  }
  return *found.pem;
}

std::string join_ca(const std::vector<ObjectKey>& objects, const Inputs& inputs, flow::Reads& reads) {
  std::string all;
  for (const ObjectKey& object : objects) {
    const std::string* pem = find(object, inputs, reads).pem;
    if (pem == nullptr || !holds_certificates(*pem)) continue;
    if (!all.empty() && !all.ends_with('\n')) all += '\n';
    all += *pem;
  }
  return all;
}

}  // namespace sluice::translate

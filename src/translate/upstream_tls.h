// TLS to backends: what each of those who have a say says of it, and what comes of that.
//
// A BackendTLSPolicy says whom to trust; so may a Backend, where no policy does. How TLS is spoken (client
// certificate, versions, ciphers, ALPN) is said by the Gateway, or by the EnvoyProxy of a Gateway that says
// nothing, and by a Backend for itself, which counts before both.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

struct BackendReader;

// A reference to a client certificate that leads to none.
struct CertificateFailure {
  std::string reason;  // of a ResolvedRefs condition
  std::string code;    // of a Problem
  std::string field;   // below the reference, or empty
  std::string message;
  std::string suggestion;
};

// The Secret that the reference of `owner` leads to, if what it holds can be served.
std::expected<NamespacedName, CertificateFailure> resolve_client_certificate(
    const api::SecretObjectReference& ref, const ObjectKey& owner, const Projections& tables,
    flow::Reads& reads);

// The terms of `owner`; what is wrong is a problem below `path`.
TlsTerms read_tls_terms(const api::TLSSettings& settings, const ObjectKey& owner, const std::string& path,
                        const Projections& tables, flow::Reads& reads, std::vector<Problem>& problems);

// Makes the plan's terms for all backends of the Gateway, from the Gateway or else its EnvoyProxy.
void plan_backend_tls(const api::Gateway& gateway, const Projections& tables, flow::Reads& reads,
                      GatewayPlan& plan);

// Makes the connections of the cluster TLS, where a policy for this port of the backend or the Backend itself
// (`own`; null: it is none) asks for it; not where TLS passes through.
std::expected<void, ReferenceFailure> add_tls(const ObjectKey& backend, const std::string& section,
                                              const BackendRow* own, const BackendReader& reader,
                                              flow::Reads& reads, std::vector<PolicyUse>& policies,
                                              ClusterRow& row);

// What the names of secrets begin with that backends are shown: "backend-certificate/<namespace>/<name>".
inline constexpr std::string_view kBackendCertificates = "backend-certificate/";

// The secret with the certificates of the machine's authorities.
SecretSource system_authorities();

// The secret with what is there now.
ir::Secret read_secret(const SecretSource& source, const Inputs& inputs, const Projections& tables,
                       flow::Reads& reads);

// A cluster with TLS is named after what its connections are like, behind the first `base_size` characters of
// its name.
void name_after_tls(std::size_t base_size, ir::Cluster& cluster);

}  // namespace sluice::translate

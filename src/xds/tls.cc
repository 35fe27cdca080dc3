#include "xds/tls.h"

#include <string>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

#include "xds/duration.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace core = envoy::config::core::v3;
namespace tls_v3 = envoy::extensions::transport_sockets::tls::v3;

namespace {

constexpr char kTlsSocket[] = "envoy.transport_sockets.tls";

void fill_secret(const std::string& name, tls_v3::SdsSecretConfig* to) {
  to->set_name(name);
  fill_ads(kSecretTimeout, to->mutable_sds_config());
}

tls_v3::TlsParameters::TlsProtocol version(ir::TlsParameters::Version from) {
  using enum ir::TlsParameters::Version;
  switch (from) {
    case kAuto:
      return tls_v3::TlsParameters::TLS_AUTO;
    case k1_0:
      return tls_v3::TlsParameters::TLSv1_0;
    case k1_1:
      return tls_v3::TlsParameters::TLSv1_1;
    case k1_2:
      return tls_v3::TlsParameters::TLSv1_2;
    case k1_3:
      return tls_v3::TlsParameters::TLSv1_3;
  }
  return tls_v3::TlsParameters::TLS_AUTO;
}

void fill_parameters(const ir::TlsParameters& from, tls_v3::CommonTlsContext* common) {
  if (from == ir::TlsParameters{}) return;
  tls_v3::TlsParameters* to = common->mutable_tls_params();
  to->set_tls_minimum_protocol_version(version(from.min));
  to->set_tls_maximum_protocol_version(version(from.max));
  for (const std::string& cipher : from.ciphers) to->add_cipher_suites(cipher);
  for (const std::string& curve : from.curves) to->add_ecdh_curves(curve);
  for (const std::string& algorithm : from.signature_algorithms) to->add_signature_algorithms(algorithm);
}

void fill_subject_alt_name(const ir::SubjectAltName& from, tls_v3::SubjectAltNameMatcher* to) {
  to->set_san_type(from.kind == ir::SubjectAltName::Kind::kUri ? tls_v3::SubjectAltNameMatcher::URI
                                                               : tls_v3::SubjectAltNameMatcher::DNS);
  to->mutable_matcher()->set_exact(from.value);
}

}  // namespace

void fill_ads(ir::Duration initial_fetch_timeout, core::ConfigSource* to) {
  to->mutable_ads();
  to->set_resource_api_version(core::ApiVersion::V3);
  fill_duration(initial_fetch_timeout, to->mutable_initial_fetch_timeout());
}

void fill_upstream_tls(const ir::UpstreamTls& tls, bool checks_host, core::TransportSocket* to) {
  tls_v3::UpstreamTlsContext context;
  tls_v3::CommonTlsContext* common = context.mutable_common_tls_context();
  fill_parameters(tls.parameters, common);
  for (const std::string& protocol : tls.alpn) common->add_alpn_protocols(protocol);
  if (tls.certificate_secret) {
    fill_secret(*tls.certificate_secret, common->add_tls_certificate_sds_secret_configs());
  }
  if (!tls.validation_secret.empty()) {
    auto* combined = common->mutable_combined_validation_context();
    fill_secret(tls.validation_secret, combined->mutable_validation_context_sds_secret_config());
    tls_v3::CertificateValidationContext* defaults = combined->mutable_default_validation_context();
    for (const ir::SubjectAltName& name : tls.subject_alt_names) {
      fill_subject_alt_name(name, defaults->add_match_typed_subject_alt_names());
    }
  }
  context.set_sni(tls.sni);
  context.set_auto_host_sni(tls.sni_from_endpoint);
  context.set_auto_sni_san_validation(checks_host && tls.sni.empty() && tls.subject_alt_names.empty() &&
                                      !tls.validation_secret.empty());
  to->set_name(kTlsSocket);
  pack(context, to->mutable_typed_config());
}

void fill_unasked_tls(core::TransportSocket* to) {
  tls_v3::UpstreamTlsContext context;
  context.mutable_common_tls_context();
  to->set_name("dummy.transport_socket");
  pack(context, to->mutable_typed_config());
}

void fill_downstream_tls(const ir::DownstreamTls& tls, core::TransportSocket* to) {
  tls_v3::DownstreamTlsContext context;
  // Tickets and session ids live in one proxy; a resumed session would skip the choice of the certificate.
  context.set_disable_stateless_session_resumption(true);
  context.set_disable_stateful_session_resumption(true);
  tls_v3::CommonTlsContext* common = context.mutable_common_tls_context();
  fill_parameters(tls.parameters, common);
  for (const std::string& protocol : tls.alpn) common->add_alpn_protocols(protocol);
  for (const std::string& secret : tls.certificate_secrets) {
    fill_secret(secret, common->add_tls_certificate_sds_secret_configs());
  }
  if (tls.client_validation) {
    const ir::ClientValidation& client = *tls.client_validation;
    context.mutable_require_client_certificate()->set_value(client.required);
    if (client.accept_untrusted) {
      auto* combined = common->mutable_combined_validation_context();
      combined->mutable_default_validation_context()->set_trust_chain_verification(
          tls_v3::CertificateValidationContext::ACCEPT_UNTRUSTED);
      fill_secret(client.ca_secret, combined->mutable_validation_context_sds_secret_config());
    } else {
      fill_secret(client.ca_secret, common->mutable_validation_context_sds_secret_config());
    }
  }
  to->set_name(kTlsSocket);
  pack(context, to->mutable_typed_config());
}

}  // namespace sluice::xds

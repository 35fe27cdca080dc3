#include <cstdlib>

#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"

#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace {

using envoy::extensions::transport_sockets::tls::v3::Secret;

Secret parsed(std::string_view bytes) {
  Secret secret;
  if (!secret.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) std::abort();
  return secret;
}

}  // namespace

std::string render_secret(const ir::Secret& secret) {
  Secret to;
  to.set_name(secret.name);
  if (!secret.certificate_pem.empty()) {
    auto* certificate = to.mutable_tls_certificate();
    certificate->mutable_certificate_chain()->set_inline_bytes(secret.certificate_pem);
    certificate->mutable_private_key()->set_inline_bytes(secret.private_key_pem);
    if (!secret.ocsp_staple.empty()) certificate->mutable_ocsp_staple()->set_inline_bytes(secret.ocsp_staple);
  } else if (!secret.credential.empty()) {
    to.mutable_generic_secret()->mutable_secret()->set_inline_bytes(secret.credential);
  } else if (!secret.ca_file.empty()) {
    to.mutable_validation_context()->mutable_trusted_ca()->set_filename(secret.ca_file);
  } else {
    to.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(secret.ca_pem);
  }
  return serialize(to);
}

ir::Secret parse_secret(std::string_view bytes) {
  const Secret from = parsed(bytes);
  const auto& certificate = from.tls_certificate();
  const auto& authorities = from.validation_context().trusted_ca();
  return {.name = from.name(),
          .certificate_pem = certificate.certificate_chain().inline_bytes(),
          .private_key_pem = certificate.private_key().inline_bytes(),
          .ocsp_staple = certificate.ocsp_staple().inline_bytes(),
          .ca_pem = authorities.inline_bytes(),
          .ca_file = authorities.filename(),
          .credential = from.generic_secret().secret().inline_bytes()};
}

std::string redact_secret(std::string_view bytes) {
  Secret secret = parsed(bytes);
  if (secret.has_tls_certificate()) {
    secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string("[redacted]");
    // Only patches bring these.
    secret.mutable_tls_certificate()->clear_pkcs12();
    secret.mutable_tls_certificate()->clear_password();
  } else if (secret.has_generic_secret() || secret.has_session_ticket_keys()) {
    const std::string name = secret.name();
    secret.Clear();
    secret.set_name(name);
    secret.mutable_generic_secret()->mutable_secret()->set_inline_string("[redacted]");
  }
  return serialize(secret);
}

}  // namespace sluice::xds

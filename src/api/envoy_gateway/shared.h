// What several declarations of the group share.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "api/envoy_gateway/types.h"
#include "api/gateway_api/shared.h"
#include "schema/type.h"

namespace sluice::api {

// The name by which objects refer to a dynamic module.
inline constexpr schema::Pattern kModuleName{
    R"(^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$)",
    "lower-case letters, digits, `.` and `-`, a letter or digit at both ends"};

// The settings of a TLS connection to a backend, bound to the TLSSettings that the member pointers lead to:
// backend_tls_fields<>() is for TLSSettings itself.
template <auto... kSettings>
std::vector<schema::Field> backend_tls_fields() {
  using schema::enumeration;
  using schema::field;
  using schema::list;
  using schema::string;
  const schema::Type version = enumeration({"Auto", "1.0", "1.1", "1.2", "1.3"});
  return {
      field<kSettings..., &TLSSettings::alpn_protocols>("alpnProtocols", list(string()))
          .doc("The protocols offered in the handshake (ALPN)."),
      field<kSettings..., &TLSSettings::ciphers>("ciphers", list(string()))
          .doc("The cipher suites, for TLS up to 1.2."),
      field<kSettings..., &TLSSettings::client_certificate_ref>("clientCertificateRef",
                                                                secret_object_reference())
          .doc("The Secret with the certificate to show."),
      field<kSettings..., &TLSSettings::ecdh_curves>("ecdhCurves", list(string()))
          .doc("The curves for the key exchange."),
      field("fingerprints", list(enumeration({"JA3", "JA4"})))
          .doc("The fingerprints of handshakes to compute."),
      field<kSettings..., &TLSSettings::max_version>("maxVersion", version)
          .doc("The highest version of TLS."),
      field<kSettings..., &TLSSettings::min_version>("minVersion", version).doc("The lowest version of TLS."),
      field<kSettings..., &TLSSettings::signature_algorithms>("signatureAlgorithms", list(string()))
          .doc("The algorithms of signatures."),
  };
}
std::vector<schema::Rule> tls_settings_rules();

// The field `member` is there when `type` is this word, and only then.
schema::Rule goes_with_type(const char* rule_name, const char* type, const char* member);
// The words of an enumeration as upstream's schema has them where it says them of the type and of the field.
// `also`: words that only the second time has, so that they are none.
schema::Type said_twice(schema::Type enumeration, const std::vector<std::string>& also = {});
// A number of bytes, with or without a suffix.
schema::Type byte_size();
schema::Type percentage();
// A change as in RFC 6902, bound to JSONPatchOperation.
schema::Type json_patch_operation();  // patch_policy.cc

// A kind that nothing translates yet: its spec as a whole has no effect. scripts/check_effects.py knows this,
// and asks for no marks below.
schema::Type untranslated(schema::Type kind);

}  // namespace sluice::api

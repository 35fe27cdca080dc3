#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

nlohmann::json rendered(const ir::Secret& secret) {
  return as_json(ResourceType::kSecret, render_secret(secret));
}

TEST(Secret, Certificate) {
  EXPECT_EQ(rendered({.name = "ns/web", .certificate_pem = "cert", .private_key_pem = "key"}),
            nlohmann::json::parse(R"({"name": "ns/web", "tlsCertificate": {
              "certificateChain": {"inlineBytes": "Y2VydA=="}, "privateKey": {"inlineBytes": "a2V5"}}})"));
}

TEST(Secret, Authority) {
  EXPECT_EQ(rendered({.name = "ca", .ca_pem = "cert"}),
            nlohmann::json::parse(
                R"({"name": "ca", "validationContext": {"trustedCa": {"inlineBytes": "Y2VydA=="}}})"));
  EXPECT_EQ(rendered({.name = "system", .ca_file = "/etc/ssl/certs/ca-certificates.crt"}),
            nlohmann::json::parse(R"({"name": "system", "validationContext": {
              "trustedCa": {"filename": "/etc/ssl/certs/ca-certificates.crt"}}})"));
}

TEST(Secret, Credential) {
  EXPECT_EQ(rendered({.name = "key", .credential = "Bearer x"}),
            nlohmann::json::parse(
                R"({"name": "key", "genericSecret": {"secret": {"inlineBytes": "QmVhcmVyIHg="}}})"));
}

TEST(Secret, ACredentialIsNotShown) {
  EXPECT_EQ(
      as_json(ResourceType::kSecret, redact_secret(render_secret({.name = "key", .credential = "Bearer x"}))),
      nlohmann::json::parse(
          R"({"name": "key", "genericSecret": {"secret": {"inlineString": "[redacted]"}}})"));
}

TEST(Secret, IsReadAsItWasRendered) {
  for (const ir::Secret& secret :
       {ir::Secret{.name = "web", .certificate_pem = "cert", .private_key_pem = "key", .ocsp_staple = "ocsp"},
        ir::Secret{.name = "key", .credential = "Bearer x"}, ir::Secret{.name = "ca", .ca_pem = "cert"},
        ir::Secret{.name = "system", .ca_file = "/etc/ca.crt"}}) {
    EXPECT_EQ(parse_secret(render_secret(secret)), secret) << secret.name;
  }
}

}  // namespace
}  // namespace sluice::xds

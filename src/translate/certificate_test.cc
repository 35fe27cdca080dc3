#include "translate/certificate.h"

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice::translate {
namespace {

template <typename Write>
std::string pem_of(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
  write(out.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key key_on(const char* curve) { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve), &EVP_PKEY_free}; }
Key rsa_key(const char* kind, std::size_t bits) {
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> making(
      EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), &EVP_PKEY_CTX_free);
  EVP_PKEY_keygen_init(making.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(making.get(), static_cast<int>(bits));
  EVP_PKEY* key = nullptr;
  EVP_PKEY_generate(making.get(), &key);
  return {key, &EVP_PKEY_free};
}
Key key_of(const char* kind) { return {EVP_PKEY_Q_keygen(nullptr, nullptr, kind), &EVP_PKEY_free}; }

// A certificate of its own with these DNS names, which may be any bytes, and its key.
api::Secret secret(const std::vector<std::string>& dns_names, const Key& key = key_on("P-256")) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86'400);
  X509_set_pubkey(certificate.get(), key.get());
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(GENERAL_NAMES_new(),
                                                                            &GENERAL_NAMES_free);
  for (const std::string& name : dns_names) {
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
    GENERAL_NAME* const general = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(general, GEN_DNS, text);
    sk_GENERAL_NAME_push(names.get(), general);
  }
  X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, names.get(), 0, 0);
  const bool hashes_itself =
      EVP_PKEY_is_a(key.get(), "ED25519") == 1 || EVP_PKEY_is_a(key.get(), "ED448") == 1;
  X509_sign(certificate.get(), key.get(), hashes_itself ? nullptr : EVP_sha256());
  api::Secret made;
  made.data["tls.crt"] = pem_of([&](BIO* out) { PEM_write_bio_X509(out, certificate.get()); });
  made.data["tls.key"] = pem_of(
      [&](BIO* out) { PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  return made;
}

// As `openssl` would write it with a password.
std::string encrypted(std::string pem) {
  pem.insert(pem.find('\n') + 1,
             "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n");
  return pem;
}

TEST(Certificate, DnsNamesAreSortedAndEachStandsOnce) {
  const CertificateRow row = read_certificate(secret({"b.example.com", "*.a.example.com", "b.example.com"}));
  EXPECT_EQ(row.error, "");
  EXPECT_EQ(row.dns_names, (std::vector<std::string>{"*.a.example.com", "b.example.com"}));
}

TEST(Certificate, SaysForHowLongItIsValid) {
  const CertificateRow row = read_certificate(secret({"a.example.com"}));
  EXPECT_EQ(row.not_after - row.not_before, 86'400);
  EXPECT_GT(row.not_before, 1'700'000'000);
}

TEST(Certificate, ANameThatIsNoDnsNameIsLeftOut) {
  using namespace std::string_literals;
  const CertificateRow row =
      read_certificate(secret({"\xFF.example.com", "a\0.example.com"s, "a b", "\x7F", "a.example.com"}));
  EXPECT_EQ(row.error, "");
  EXPECT_EQ(row.dns_names, std::vector<std::string>{"a.example.com"});
}

// What the real Envoy takes and refuses is held by test/features/listeners.py.
TEST(Certificate, KeysThatEnvoyTakesAreTaken) {
  const auto error = [](const Key& key) { return read_certificate(secret({"a.example.com"}, key)).error; };
  EXPECT_EQ(error(key_on("P-256")), "");
  EXPECT_EQ(error(key_on("P-384")), "");
  EXPECT_EQ(error(key_on("P-521")), "");
  EXPECT_EQ(error(key_of("ED25519")), "");
  EXPECT_EQ(error(rsa_key("RSA", 2'048)), "");
}

TEST(Certificate, KeysThatEnvoyRefusesAreNamed) {
  const auto expect = [](const Key& key, std::string_view what) {
    const CertificateRow row = read_certificate(secret({"a.example.com"}, key));
    EXPECT_THAT(row.error, testing::StartsWith(fmt::format(
                               "has a certificate with {}, which Envoy does not take: use", what)));
    EXPECT_EQ(row.certificate_pem, "");
  };
  expect(rsa_key("RSA", 1'024), "an RSA key of 1024 bits");
  expect(rsa_key("RSA-PSS", 2'048), "a key of the kind RSA-PSS");
  expect(key_on("P-224"), "a key of the curve secp224r1");
  expect(key_on("secp256k1"), "a key of the curve secp256k1");
  expect(key_of("ED448"), "a key of the kind ED448");
  Key written_out = key_on("P-256");
  EVP_PKEY_set_utf8_string_param(written_out.get(), OSSL_PKEY_PARAM_EC_ENCODING,
                                 OSSL_PKEY_EC_ENCODING_EXPLICIT);
  expect(written_out, "a key whose curve is written out instead of named");
}

// Those that follow only have to be readable.
TEST(Certificate, AChainMayGoOnWithAnyKey) {
  api::Secret both = secret({"a.example.com"});
  both.data["tls.crt"] += secret({"ca.example.com"}, rsa_key("RSA", 1'024)).data["tls.crt"];
  const CertificateRow row = read_certificate(both);
  EXPECT_EQ(row.error, "");
  EXPECT_EQ(row.certificate_pem, both.data["tls.crt"]);
}

constexpr char kDamaged[] =
    "must contain only whole PEM certificates in tls.crt: one after the first cannot be read";

TEST(Certificate, ADamagedChainIsNotCut) {
  const api::Secret leaf = secret({"a.example.com"});
  const std::string next = secret({"ca.example.com"}).data.at("tls.crt");
  const auto error = [&leaf](const std::string& rest) {
    api::Secret both = leaf;
    both.data["tls.crt"] += rest;
    return read_certificate(both).error;
  };
  std::string no_base64 = next;
  no_base64[next.find('\n') + 10] = '!';
  EXPECT_EQ(error(no_base64), kDamaged);
  std::string line_gone = next;
  line_gone.erase(next.find('\n') + 1, next.find('\n', next.find('\n') + 1) - next.find('\n'));
  EXPECT_EQ(error(line_gone), kDamaged);
  EXPECT_EQ(error(next.substr(0, next.size() / 2)), kDamaged);
  EXPECT_EQ(error("-----BEGIN CERTIFICATE----\n" + next.substr(next.find('\n') + 1)), kDamaged);
  EXPECT_EQ(error(no_base64 + next), kDamaged);
  EXPECT_EQ(error(encrypted(next)), kDamaged);
}

TEST(Certificate, WhatStandsBesideTheChainIsLeftOut) {
  api::Secret beside = secret({"a.example.com"});
  const std::string leaf = beside.data["tls.crt"];
  beside.data["tls.crt"] = "# ours\n" + leaf + beside.data["tls.key"] + "the end\n";
  const CertificateRow row = read_certificate(beside);
  EXPECT_EQ(row.error, "");
  EXPECT_EQ(row.certificate_pem, leaf);
}

TEST(Certificate, ATextOfCertificatesHoldsNoDamagedOne) {
  const std::string one = secret({"ca.example.com"}).data.at("tls.crt");
  EXPECT_TRUE(holds_certificates(one + one));
  EXPECT_FALSE(holds_certificates("no certificate"));
  EXPECT_FALSE(holds_certificates(one + one.substr(0, 200)));
}

// Whoever starts sluice by hand has a terminal, which OpenSSL would ask for the password.
TEST(Certificate, NobodyIsAskedForAPassword) {
  api::Secret both = secret({"a.example.com"});
  both.data["tls.crt"] += encrypted(secret({"b.example.com"}).data["tls.crt"]);
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(child, 0);
  if (child == 0) {
    read_certificate(both);
    _exit(0);
  }
  int status = -1;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      ADD_FAILURE() << "it waits";
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  close(terminal);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sluice::translate

// What is made, as OpenSSL's own verification sees it.
#include "pki/pki.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <openssl/x509_vfy.h>
#include <unistd.h>

namespace sluice::pki {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr Time kNow{std::chrono::seconds(1'800'000'000)};
constexpr Validity kDay{.made = kNow, .lasts = 24h};

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<X509> read(const std::string& pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), -1));
  return Owned<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// As `openssl verify -x509_strict -purpose sslserver -verify_hostname NAME -attime NOW`: its sentence, "ok"
// where all is well.
std::string verify(const Pair& leaf, const Pair& authority, const char* purpose, const char* host,
                   Time at = kNow) {
  const Owned<X509> certificate = read(leaf.certificate);
  const Owned<X509_STORE> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), read(authority.certificate).get());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr);
  X509_STORE_CTX_set_default(context.get(), purpose);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, at.time_since_epoch().count());
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  if (host != nullptr) X509_VERIFY_PARAM_set1_host(parameters, host, 0);
  X509_verify_cert(context.get());
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

TEST(Pki, AServersCertificateIsGoodForItsNames) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"sluice", "sluice.ns.svc"}, Use::kServer, kDay);
  ASSERT_TRUE(server) << server.error();
  EXPECT_EQ(verify(*server, authority, "ssl_server", "sluice"), "ok");
  EXPECT_EQ(verify(*server, authority, "ssl_server", "sluice.ns.svc"), "ok");
  EXPECT_EQ(verify(*server, authority, "ssl_server", "other"), "hostname mismatch");
}

TEST(Pki, AServersCertificateIsNoClients) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"sluice"}, Use::kServer, kDay);
  const auto client = issue(authority, {"envoy"}, Use::kClient, kDay);
  EXPECT_EQ(verify(*client, authority, "ssl_client", nullptr), "ok");
  EXPECT_NE(verify(*server, authority, "ssl_client", nullptr), "ok");
}

TEST(Pki, ACertificateForBothIsGoodForBoth) {
  const Pair authority = make_authority("house", kDay);
  const auto both = issue(authority, {"sluice"}, Use::kBoth, kDay);
  EXPECT_EQ(verify(*both, authority, "ssl_server", nullptr), "ok");
  EXPECT_EQ(verify(*both, authority, "ssl_client", nullptr), "ok");
}

TEST(Pki, ACertificateLastsAsLongAsItIsSaid) {
  const Pair authority = make_authority("house", {.made = kNow, .lasts = 48h});
  const auto server = issue(authority, {"sluice"}, Use::kServer, kDay);
  EXPECT_EQ(verify(*server, authority, "ssl_server", nullptr, kNow + 24h - 1s), "ok");
  EXPECT_EQ(verify(*server, authority, "ssl_server", nullptr, kNow + 24h + 1s), "certificate has expired");
}

TEST(Pki, AClockThatIsAnHourBehindTakesANewCertificate) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"sluice"}, Use::kServer, kDay);
  EXPECT_EQ(verify(*server, authority, "ssl_server", nullptr, kNow - kBackdate + 1s), "ok");
}

TEST(Pki, NoCertificateOutlivesItsAuthority) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"sluice"}, Use::kServer, {.made = kNow, .lasts = 480h});
  EXPECT_EQ(read_pair(*server)->until, kNow + 24h);
}

TEST(Pki, TwoAuthoritiesOfOneNameAreNotMistaken) {
  const Pair first = make_authority("house", kDay);
  const Pair second = make_authority("house", kDay);
  const auto server = issue(first, {"sluice"}, Use::kServer, kDay);
  EXPECT_TRUE(is_signed_by(server->certificate, first.certificate));
  EXPECT_FALSE(is_signed_by(server->certificate, second.certificate));
  EXPECT_NE(verify(*server, second, "ssl_server", nullptr), "ok");
}

TEST(Pki, WhatIsNoAuthoritySignsNothing) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"sluice"}, Use::kServer, kDay);
  const auto under_it = issue(*server, {"other"}, Use::kServer, kDay);
  ASSERT_FALSE(under_it);
  EXPECT_EQ(under_it.error(), "it is no certificate of an authority");
}

TEST(Pki, KeysAreOfTheCurveP256) {
  const Pair authority = make_authority("house", kDay);
  const Owned<X509> certificate = read(authority.certificate);
  std::string curve(64, '\0');
  std::size_t size = 0;
  ASSERT_EQ(EVP_PKEY_get_group_name(X509_get0_pubkey(certificate.get()), curve.data(), curve.size(), &size), 1);
  EXPECT_EQ(curve.substr(0, size), "prime256v1");
  EXPECT_THAT(authority.key, ::testing::StartsWith("-----BEGIN PRIVATE KEY-----"));
}

TEST(Pki, FactsAreThoseOfTheCertificate) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"b", "a"}, Use::kServer, {.made = kNow, .lasts = 2h});
  const auto facts = read_certificates(server->certificate + authority.certificate);
  ASSERT_TRUE(facts) << facts.error();
  ASSERT_EQ(facts->size(), 2);
  EXPECT_THAT((*facts)[0].names, ElementsAre("a", "b"));
  EXPECT_EQ((*facts)[0].from, kNow - kBackdate);
  EXPECT_EQ((*facts)[0].until, kNow + 2h);
  EXPECT_FALSE((*facts)[0].is_authority);
  EXPECT_TRUE((*facts)[1].is_authority);
  EXPECT_EQ((*facts)[1].pem, authority.certificate);
}

TEST(Pki, ACertificateThatIsCutOffIsAFault) {
  const Pair authority = make_authority("house", kDay);
  const auto facts = read_certificates(authority.certificate + authority.certificate.substr(0, 200));
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error(), "a certificate in it cannot be read");
}

TEST(Pki, AKeyOfAnotherCertificateIsAFault) {
  const Pair one = make_authority("house", kDay);
  const Pair other = make_authority("house", kDay);
  EXPECT_EQ(read_pair({.certificate = one.certificate, .key = other.key}).error(),
            "the certificate and the key do not go together");
}

class Folder : public ::testing::Test {
 protected:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pki-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() override { std::filesystem::remove_all(path_); }
  void put(const std::string& file, const std::string& text) const {
    std::ofstream(path_ + '/' + file) << text;
  }
  std::string path_;
};

TEST_F(Folder, ItsThreeFilesAreCredentials) {
  const Pair authority = make_authority("house", kDay);
  const auto server = issue(authority, {"sluice"}, Use::kServer, kDay);
  put("tls.crt", server->certificate);
  put("tls.key", server->key);
  put("ca.crt", authority.certificate);
  const auto credentials = read_folder(path_);
  ASSERT_TRUE(credentials) << credentials.error();
  EXPECT_EQ(credentials->own, *server);
  EXPECT_EQ(credentials->authorities, authority.certificate);
}

TEST_F(Folder, AFileThatIsMissingIsNamed) {
  const Pair authority = make_authority("house", kDay);
  put("tls.crt", authority.certificate);
  put("ca.crt", authority.certificate);
  EXPECT_EQ(read_folder(path_).error(), "`" + path_ + "/tls.key` cannot be read");
}

TEST_F(Folder, AFileThatIsNoCertificateIsNamed) {
  const Pair authority = make_authority("house", kDay);
  put("tls.crt", authority.certificate);
  put("tls.key", authority.key);
  put("ca.crt", "nothing");
  EXPECT_EQ(read_folder(path_).error(), "`" + path_ + "`: ca.crt: there is no certificate in PEM in it");
}

}  // namespace
}  // namespace sluice::pki

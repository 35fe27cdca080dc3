#include "translate/certificate.h"

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
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

// A certificate of its own with these DNS names, which may be any bytes, and its key.
api::Secret secret(const std::vector<std::string>& dns_names) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
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
  X509_sign(certificate.get(), key.get(), EVP_sha256());
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

TEST(Certificate, AChainEndsAtACertificateWithAPassword) {
  api::Secret both = secret({"a.example.com"});
  const std::string leaf = both.data["tls.crt"];
  both.data["tls.crt"] += encrypted(secret({"b.example.com"}).data["tls.crt"]);
  EXPECT_EQ(read_certificate(both).certificate_pem, leaf);
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

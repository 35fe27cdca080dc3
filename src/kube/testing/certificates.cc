#include "kube/testing/certificates.h"

#include <atomic>
#include <cstdlib>
#include <memory>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace sluice::kube_testing {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr long kLasts = 3600;  // seconds
constexpr long kSlack = 60;    // it began so long ago
std::atomic<long> next_serial{1};

template <typename Write>
std::string pem(const Write& write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (write(bio.get()) != 1) std::abort();
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) std::abort();
}

// By `authority`, or by itself where there is none.
Certificate make(const std::string& name, const Certificate* authority, const std::string& names) {
  const Owned<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), next_serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kSlack);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kLasts);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  Owned<X509> issuer;
  Owned<EVP_PKEY> signer;
  if (authority != nullptr) {
    const Owned<BIO> its_certificate(BIO_new_mem_buf(authority->certificate.data(), -1));
    const Owned<BIO> its_key(BIO_new_mem_buf(authority->key.data(), -1));
    issuer.reset(PEM_read_bio_X509(its_certificate.get(), nullptr, nullptr, nullptr));
    signer.reset(PEM_read_bio_PrivateKey(its_key.get(), nullptr, nullptr, nullptr));
  }
  X509* const by = issuer ? issuer.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(by));
  if (authority == nullptr) {
    extend(certificate.get(), by, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate.get(), by, NID_key_usage, "critical,keyCertSign");
  }
  if (!names.empty()) extend(certificate.get(), by, NID_subject_alt_name, names);
  if (X509_sign(certificate.get(), signer ? signer.get() : key.get(), EVP_sha256()) == 0) std::abort();
  return {.certificate = pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }),
          .key = pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace

Certificate make_authority(const std::string& name) { return make(name, nullptr, ""); }

Certificate make_server_certificate(const Certificate& authority, const std::vector<std::string>& names) {
  std::string listed;
  for (const std::string& name : names) {
    unsigned char bytes[sizeof(in6_addr)];
    const bool address =
        ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
    if (!listed.empty()) listed += ',';
    listed += (address ? "IP:" : "DNS:") + name;
  }
  return make("server", &authority, listed);
}

Certificate make_client_certificate(const Certificate& authority, const std::string& user) {
  return make(user, &authority, "");
}

}  // namespace sluice::kube_testing

#include "translate/certificate.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace sluice::translate {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

Bio reader(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string text_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

// Certificates may have any bytes for a name; those of a DNS name are printable ASCII.
bool is_printable(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7F'; });
}

// The DNS names that the certificate is good for. Clients look at SANs only (RFC 9525).
std::vector<std::string> dns_names(X509* certificate) {
  std::vector<std::string> names;
  const Names sans(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(sans.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(sans.get(), i);
    if (name->type != GEN_DNS) continue;
    if (std::string text = text_of(name->d.dNSName); is_printable(text)) names.push_back(std::move(text));
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

// Without this OpenSSL would ask at the terminal, and wait.
int no_password(char*, int, int, void*) { return 0; }

// The certificates of a PEM text, each written anew: comments and what else stands between them is left out.
std::string rewrite_chain(std::string_view text) {
  const Bio in = reader(text);
  const Bio out(BIO_new(BIO_s_mem()));
  while (const Certificate certificate{PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)}) {
    PEM_write_bio_X509(out.get(), certificate.get());
  }
  ERR_clear_error();  // the end of the text is one
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

CertificateRow read_certificate(const api::Secret& secret) {
  CertificateRow row;
  const auto field = [&](std::string_view name) -> std::string_view {
    const auto it = secret.data.find(name);
    return it == secret.data.end() ? std::string_view() : std::string_view(it->second);
  };
  const std::string_view chain = field("tls.crt");
  const std::string_view key_text = field("tls.key");
  if (chain.empty() || key_text.empty()) {
    row.error = "must contain tls.crt and tls.key";
    return row;
  }
  ERR_clear_error();
  const Certificate leaf(PEM_read_bio_X509(reader(chain).get(), nullptr, no_password, nullptr));
  if (!leaf) {
    row.error = "must contain a valid PEM certificate in tls.crt";
    ERR_clear_error();
    return row;
  }
  const Key key(PEM_read_bio_PrivateKey(reader(key_text).get(), nullptr, no_password, nullptr));
  if (!key) {
    row.error = "must contain a valid PEM private key without a password in tls.key";
    ERR_clear_error();
    return row;
  }
  if (X509_check_private_key(leaf.get(), key.get()) != 1) {
    row.error =
        "must contain a matching tls.crt and tls.key: the private key does not belong to the certificate";
    ERR_clear_error();
    return row;
  }
  row.certificate_pem = rewrite_chain(chain);
  row.private_key_pem = key_text;
  row.ocsp_staple = field("tls.ocsp-staple");
  row.dns_names = dns_names(leaf.get());
  row.not_before = seconds_of(X509_get0_notBefore(leaf.get()));
  row.not_after = seconds_of(X509_get0_notAfter(leaf.get()));
  return row;
}

bool holds_certificate(const std::string& pem) {
  const Certificate first(PEM_read_bio_X509(reader(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return first != nullptr;
}

}  // namespace sluice::translate

#include "translate/certificate.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
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
// Nothing where one of them cannot be read.
std::optional<std::string> rewrite_chain(std::string_view text) {
  const Bio in = reader(text);
  const Bio out(BIO_new(BIO_s_mem()));
  std::size_t left = text.size();  // when the last certificate had been read
  while (const Certificate certificate{PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)}) {
    PEM_write_bio_X509(out.get(), certificate.get());
    left = BIO_pending(in.get());
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  // Of what is left, a private key may be whole and of no use here.
  if (!at_end || text.substr(text.size() - left).contains("-----BEGIN CERTIFICATE")) return std::nullopt;
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string text_parameter(const EVP_PKEY* key, const char* name) {
  std::array<char, 64> text{};
  std::size_t size = 0;
  EVP_PKEY_get_utf8_string_param(key, name, text.data(), text.size(), &size);
  return {text.data(), size};
}

// What the public key of a certificate is, where Envoy does not take it, for it is built with BoringSSL;
// empty where it does. Only a listener's or client's own certificate counts, not those that follow it.
std::string refused_key(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "a key of an unknown kind";
  constexpr int kFewestBits = 2'048;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return "";
    case EVP_PKEY_RSA: {
      const int bits = EVP_PKEY_get_bits(key);
      return bits >= kFewestBits ? "" : fmt::format("an RSA key of {} bits", bits);
    }
    case EVP_PKEY_EC: {
      const std::string curve = text_parameter(key, OSSL_PKEY_PARAM_GROUP_NAME);
      if (curve != "prime256v1" && curve != "secp384r1" && curve != "secp521r1") {
        return fmt::format("a key of the curve {}", curve.empty() ? "of no name" : curve);
      }
      return text_parameter(key, OSSL_PKEY_PARAM_EC_ENCODING) == OSSL_PKEY_EC_ENCODING_EXPLICIT
                 ? "a key whose curve is written out instead of named"
                 : "";
    }
    default: {
      const char* kind = EVP_PKEY_get0_type_name(key);
      return fmt::format("a key of the kind {}", kind == nullptr ? "unknown" : kind);
    }
  }
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
  if (const std::string refused = refused_key(leaf.get()); !refused.empty()) {
    row.error = fmt::format(
        "has a certificate with {}, which Envoy does not take: use RSA with 2048 bits or more, the curves "
        "P-256, "
        "P-384 or P-521, or Ed25519",
        refused);
    return row;
  }
  std::optional<std::string> whole = rewrite_chain(chain);
  if (!whole) {
    row.error = "must contain only whole PEM certificates in tls.crt: one after the first cannot be read";
    return row;
  }
  row.ocsp_staple = field("tls.ocsp-staple");
  row.certificate_pem = *std::move(whole);
  row.private_key_pem = key_text;
  row.dns_names = dns_names(leaf.get());
  row.not_before = seconds_of(X509_get0_notBefore(leaf.get()));
  row.not_after = seconds_of(X509_get0_notAfter(leaf.get()));
  return row;
}

bool holds_certificates(std::string_view pem) {
  const std::optional<std::string> certificates = rewrite_chain(pem);
  return certificates && !certificates->empty();
}

}  // namespace sluice::translate

#include "pki/pki.h"

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/file.h"

namespace sluice::pki {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// Random bits of a serial number: no two are the same, and it has the 20 bytes of RFC 5280 at most.
constexpr int kSerialBits = 127;

// Never asks anybody for a password.
int no_password(char*, int, int, void*) { return 0; }

Owned<BIO> reader(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

template <typename Write>
std::string pem_of(const Write& write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Owned<X509> certificate_of(std::string_view text) {
  Owned<X509> certificate(PEM_read_bio_X509(reader(text).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return certificate;
}

Owned<EVP_PKEY> key_of(std::string_view text) {
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(reader(text).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

// ---- making ----------------------------------------------------------------------------------

// Of an X509_gmtime_adj that takes any time: ASN1_TIME_adj adds seconds to a time_t.
void set_time(ASN1_TIME* to, Time time) {
  ASN1_TIME_adj(to, static_cast<std::time_t>(time.time_since_epoch().count()), 0, 0);
}

void set_random_serial(X509* certificate) {
  const Owned<BIGNUM> number(BN_new());
  BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  X509_add_ext(certificate, extension.get(), -1);
}

struct Draft {
  Owned<X509> certificate;
  Owned<EVP_PKEY> key;
};

Draft draft(const std::string& subject, Time from, Time until) {
  Draft made{.certificate = Owned<X509>(X509_new()),
             .key = Owned<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"))};
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  set_random_serial(certificate);
  set_time(X509_getm_notBefore(certificate), from);
  set_time(X509_getm_notAfter(certificate), until);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  return made;
}

Pair sign(const Draft& made, EVP_PKEY* signer) {
  X509_sign(made.certificate.get(), signer, EVP_sha256());
  return {.certificate = pem_of([&](BIO* bio) { PEM_write_bio_X509(bio, made.certificate.get()); }),
          .key = pem_of([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

// ---- reading ---------------------------------------------------------------------------------

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return Time(std::chrono::seconds(timegm(&parts)));
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const Owned<GENERAL_NAMES> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_DNS) continue;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  std::ranges::sort(names);
  return names;
}

Facts facts_of(X509* certificate) {
  return {.pem = pem_of([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); }),
          .from = time_of(X509_get0_notBefore(certificate)),
          .until = time_of(X509_get0_notAfter(certificate)),
          .names = names_of(certificate),
          .is_authority = X509_check_ca(certificate) > 0};
}

}  // namespace

Pair make_authority(const std::string& name, const Validity& validity) {
  const Draft made = draft(name, validity.made - kBackdate, validity.made + validity.lasts);
  X509* const certificate = made.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(certificate, certificate, NID_subject_key_identifier, "hash");
  return sign(made, made.key.get());
}

std::expected<Pair, std::string> issue(const Pair& authority, const std::vector<std::string>& names, Use use,
                                       const Validity& validity) {
  const std::expected<Facts, std::string> facts = read_pair(authority);
  if (!facts) return std::unexpected(facts.error());
  if (!facts->is_authority) return std::unexpected("it is no certificate of an authority");
  const Owned<X509> issuer = certificate_of(authority.certificate);
  const Owned<EVP_PKEY> signer = key_of(authority.key);
  const Draft made = draft(names.front(), validity.made - kBackdate,
                           std::min(validity.made + validity.lasts, facts->until));
  X509* const certificate = made.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get()));
  std::string listed;
  for (const std::string& name : names) listed += (listed.empty() ? "DNS:" : ",DNS:") + name;
  std::string uses = use == Use::kClient ? "" : "serverAuth";
  if (use != Use::kServer) uses += uses.empty() ? "clientAuth" : ",clientAuth";
  extend(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature");
  extend(certificate, issuer.get(), NID_ext_key_usage, uses);
  extend(certificate, issuer.get(), NID_subject_alt_name, listed);
  extend(certificate, issuer.get(), NID_authority_key_identifier, "keyid");
  return sign(made, signer.get());
}

std::expected<std::vector<Facts>, std::string> read_certificates(std::string_view pem) {
  std::vector<Facts> all;
  const Owned<BIO> in = reader(pem);
  while (const Owned<X509> certificate{PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)}) {
    all.push_back(facts_of(certificate.get()));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return std::unexpected("a certificate in it cannot be read");
  if (all.empty()) return std::unexpected("there is no certificate in PEM in it");
  return all;
}

std::expected<Facts, std::string> read_pair(const Pair& pair) {
  std::expected<std::vector<Facts>, std::string> all = read_certificates(pair.certificate);
  if (!all) return std::unexpected(std::move(all).error());
  const Owned<EVP_PKEY> key = key_of(pair.key);
  if (!key) return std::unexpected("its key is no private key in PEM, or is encrypted");
  const Owned<X509> certificate = certificate_of(pair.certificate);
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return std::unexpected("the certificate and the key do not go together");
  }
  return std::move(all->front());
}

bool is_signed_by(std::string_view certificate, std::string_view authority) {
  const Owned<X509> signed_one = certificate_of(certificate);
  const Owned<X509> signer = certificate_of(authority);
  if (!signed_one || !signer) return false;
  const bool is = X509_check_issued(signer.get(), signed_one.get()) == X509_V_OK &&
                  X509_verify(signed_one.get(), X509_get0_pubkey(signer.get())) == 1;
  ERR_clear_error();
  return is;
}

std::string fault_of(const Credentials& credentials) {
  if (const auto own = read_pair(credentials.own); !own) {
    return fmt::format("{} and {}: {}", kCertificateFile, kKeyFile, own.error());
  }
  if (const auto others = read_certificates(credentials.authorities); !others) {
    return fmt::format("{}: {}", kAuthoritiesFile, others.error());
  }
  return {};
}

std::expected<Credentials, std::string> read_folder(const std::string& folder) {
  Credentials credentials;
  std::string missing;
  each_file(credentials, [&](const char* file, std::string& text) {
    const std::string path = folder + '/' + file;
    std::optional<std::string> content = read_file(path);
    if (!content && missing.empty()) missing = path;
    text = std::move(content).value_or("");
  });
  if (!missing.empty()) return std::unexpected(fmt::format("`{}` cannot be read", missing));
  if (std::string fault = fault_of(credentials); !fault.empty()) {
    return std::unexpected(fmt::format("`{}`: {}", folder, fault));
  }
  return credentials;
}

std::expected<void, std::string> write_folder(const std::string& folder, const Credentials& credentials) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::expected<void, std::string> written;
  each_file(credentials, [&](const char* file, const std::string& text) {
    if (written) written = write_file(folder + '/' + file, text);
  });
  return written;
}

}  // namespace sluice::pki

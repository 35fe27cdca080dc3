#include "explain/tls_view.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace sluice::explain {

namespace {

std::string words(const std::vector<std::string>& list) { return fmt::format("{}", fmt::join(list, ", ")); }

// Of each certificate of a PEM text.
std::vector<std::string> fingerprints(const std::string& pem) {
  struct Free {
    void operator()(BIO* bio) const { BIO_free_all(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  const std::unique_ptr<BIO, Free> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<std::string> all;
  while (const auto certificate =
             std::unique_ptr<X509, Free>(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr))) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    if (X509_digest(certificate.get(), EVP_sha256(), bytes.data(), &size) != 1) continue;
    all.push_back(fmt::format("SHA-256 {:02x}", fmt::join(bytes.begin(), bytes.begin() + size, "")));
  }
  return all;
}

// A certificate of ours is known by the first of its chain.
std::string leaf(const ir::Secret& secret) {
  const std::vector<std::string> chain = fingerprints(secret.certificate_pem);
  return chain.empty() ? "unreadable" : chain.front();
}

// Their order does not matter.
std::string authorities(const ir::Secret& secret) {
  if (!secret.ca_file.empty()) return "those of the machine";
  std::vector<std::string> all = fingerprints(secret.ca_pem);
  std::ranges::sort(all);
  return all.empty() ? "none" : words(all);
}

std::string version_name(ir::TlsParameters::Version version) {
  using Version = ir::TlsParameters::Version;
  switch (version) {
    case Version::kAuto:
      return "any";
    case Version::k1_0:
      return "1.0";
    case Version::k1_1:
      return "1.1";
    case Version::k1_2:
      return "1.2";
    case Version::k1_3:
      return "1.3";
  }
  return "";
}

}  // namespace

Settings view_of(const ir::DownstreamTls& tls, const SecretOf& secret) {
  Settings settings;
  std::vector<std::string> certificates;
  for (const std::string& name : tls.certificate_secrets) certificates.push_back(leaf(secret(name)));
  std::ranges::sort(certificates);
  settings["certificates"] = words(certificates);
  settings["protocols"] = words(tls.alpn);
  if (const auto& clients = tls.client_validation) {
    settings["certificates of clients"] = clients->required ? "required" : "taken whatever they are";
    settings["authorities of clients"] = authorities(secret(clients->ca_secret));
  }
  return settings;
}

Settings view_of(const ir::UpstreamTls& tls, const SecretOf& secret) {
  Settings settings;
  settings["server name"] = !tls.sni.empty()        ? tls.sni
                            : tls.sni_from_endpoint ? "the hostname of the endpoint"
                                                    : "the host of the request";
  settings["authorities"] =
      tls.validation_secret.empty() ? "not verified" : authorities(secret(tls.validation_secret));
  std::vector<std::string> names;
  for (const ir::SubjectAltName& name : tls.subject_alt_names) names.push_back(name.value);
  std::ranges::sort(names);
  settings["names in the certificate"] = words(names);
  settings["own certificate"] = tls.certificate_secret ? leaf(secret(*tls.certificate_secret)) : "";
  settings["TLS versions"] =
      fmt::format("{} to {}", version_name(tls.parameters.min), version_name(tls.parameters.max));
  settings["ciphers"] = words(tls.parameters.ciphers);
  settings["curves"] = words(tls.parameters.curves);
  settings["signature algorithms"] = words(tls.parameters.signature_algorithms);
  settings["ALPN"] = words(tls.alpn);
  return settings;
}

}  // namespace sluice::explain

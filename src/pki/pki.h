// Certificates of our own making, and what can be told of others: by these sluice and the Envoys in pods know
// each other.
//
// An authority signs itself and nothing but servers' and clients' certificates. All keys are ECDSA P-256,
// which every TLS 1.3 has, and in PKCS #8. Certificates began kBackdate before they were made, for clocks of
// machines differ.
//
// Texts are PEM. What is wrong with one is a sentence in lower case, without a full stop and without any of
// the text.
//
// Threads: pure functions but for the random numbers in keys and serial numbers; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::pki {

using Time = std::chrono::sys_seconds;

inline constexpr std::chrono::hours kBackdate{1};

// A certificate with its chain, and its key.
struct Pair {
  std::string certificate;
  std::string key;

  bool operator==(const Pair&) const = default;
};

// What one side of mutual TLS needs: what it shows, and by whom the other side's certificate has to be.
struct Credentials {
  Pair own;
  std::string authorities;

  bool operator==(const Credentials&) const = default;
};

struct Validity {
  Time made;
  std::chrono::seconds lasts{0};  // from then on
};

Pair make_authority(const std::string& name, const Validity& validity);

enum class Use : std::uint8_t { kServer = 1, kClient = 2, kBoth = 3 };

// A certificate for these names of DNS, the first of which is its subject. It ends with its authority at the
// latest. The error says why the authority is none.
std::expected<Pair, std::string> issue(const Pair& authority, const std::vector<std::string>& names, Use use,
                                       const Validity& validity);

// A certificate that has been read.
struct Facts {
  std::string pem;  // it alone, written anew
  Time from;
  Time until;
  std::vector<std::string> names;  // of DNS, sorted
  bool is_authority = false;

  bool is_valid(Time now) const { return from <= now && now < until; }

  bool operator==(const Facts&) const = default;
};

// All certificates of a text; one at least.
std::expected<std::vector<Facts>, std::string> read_certificates(std::string_view pem);
// The first certificate of the pair, whose key this is.
std::expected<Facts, std::string> read_pair(const Pair& pair);
// Whether the first certificate was signed by the authority.
bool is_signed_by(std::string_view certificate, std::string_view authority);

// What is wrong with them as they are, whatever the time; empty: nothing.
std::string fault_of(const Credentials& credentials);

// As Kubernetes and Envoy call the files, or the keys of a Secret.
inline constexpr char kCertificateFile[] = "tls.crt";
inline constexpr char kKeyFile[] = "tls.key";
inline constexpr char kAuthoritiesFile[] = "ca.crt";

// Calls visit(file, text) for each of the three.
template <typename Credentials, typename Visit>
void each_file(Credentials& credentials, const Visit& visit) {
  visit(kCertificateFile, credentials.own.certificate);
  visit(kKeyFile, credentials.own.key);
  visit(kAuthoritiesFile, credentials.authorities);
}

// "/certs": its three files. The error says which cannot be read, or what is wrong with them.
std::expected<Credentials, std::string> read_folder(const std::string& folder);
// Makes the folder if need be. The error is a sentence.
std::expected<void, std::string> write_folder(const std::string& folder, const Credentials& credentials);

}  // namespace sluice::pki

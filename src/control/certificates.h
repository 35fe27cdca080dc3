// The certificates by which sluice and the Envoys in pods know each other: what is to become of those that
// there are. Without I/O and clock.
//
// There are three: an authority of our own; by it a server's for sluice, and a client's that all Envoys share.
// Each comes with the bundle of authorities whose certificates its owner is to take. They are kept as Secrets
// or in folders (infra's Envoys mount the client's).
//
// The authority's key is kept, too: whoever may read it may read the other two keys as well, and with it a
// certificate can be renewed without anybody having to trust somebody else first.
//
// A certificate is renewed when a third of its life is left. When the authority is renewed (or lost), things
// go in steps, for not everybody sees a change at once, and each step is told from the certificates alone:
// who stops in between, or leads no more, is followed by another who goes on.
//
//   1. The bundles name the new authority beside the old one. Certificates stay.
//   2. kOverlap later, when everybody trusts it: certificates by the new authority.
//   3. kOverlap later, when everybody shows those: bundles without the old one.
//
// What others have put there (cert-manager, somebody's hands) is left alone: only what has our label is ours.
//
// Threads: plain values; pure but for the random numbers in keys.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/problem.h"
#include "infra/objects.h"
#include "pki/pki.h"

namespace sluice::control {

// A day is what nobody notices; an hour is what a kubelet, which looks each minute or two, needs at most.
inline constexpr std::chrono::hours kOverlap{1};
inline constexpr std::chrono::days kAuthorityLasts{5 * 365};  // Envoy Gateway's
inline constexpr std::chrono::days kAuthorityLeft{365};       // and then there is another
inline constexpr std::chrono::days kCertificateLasts{90};

struct CertificateOptions {
  std::string name_space = "sluice-system";
  std::string domain = "cluster.local";  // of the cluster
  std::chrono::seconds lasts = kCertificateLasts;
  bool overwrites = false;  // all are made anew, others' too; whoever trusts the old ones has to be told

  // As infra::Settings have them: names of Secrets, and what certificates are for.
  std::string server = "sluice";  // the Service's
  std::string client = "envoy";
  std::string authority() const { return server + "-ca"; }

  std::vector<std::string> server_names() const;
};

// What they are for, where Envoys are made by these settings.
CertificateOptions certificate_options(const infra::Settings& settings);

struct HeldCertificate {
  pki::Credentials credentials;
  bool is_ours = true;
};
struct HeldCertificates {
  std::optional<HeldCertificate> authority;
  std::optional<HeldCertificate> server;
  std::optional<HeldCertificate> client;
};

struct Renewal {
  // What is to be kept from now on, to be written in this order; nothing: it stays.
  std::optional<pki::Credentials> authority;
  std::optional<pki::Credentials> server;
  std::optional<pki::Credentials> client;
  std::vector<std::string> reasons;  // why, for people
  std::vector<Problem> problems;     // of what is not ours
  pki::Time again;                   // when something is due, if nothing else happens

  bool changes() const { return authority || server || client; }
};

Renewal renew(const HeldCertificates& held, const CertificateOptions& options, pki::Time now);

// ---- Secrets ---------------------------------------------------------------------------------

inline constexpr char kManagedBy[] = "app.kubernetes.io/managed-by";
inline constexpr char kManager[] = "sluice";

// Whatever is in it: a value that is none is empty.
HeldCertificate read_secret(const nlohmann::json& secret);
// A Secret of kubernetes.io/tls; of one that is there already what else it has stays, its version too.
nlohmann::json to_secret(const pki::Credentials& credentials, const std::string& name,
                         const std::string& name_space, const nlohmann::json& present);

}  // namespace sluice::control

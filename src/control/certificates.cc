#include "control/certificates.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/base64.h"

namespace sluice::control {

using nlohmann::json;
using pki::Credentials;
using pki::Facts;
using pki::Time;

namespace {

// Bundles do not grow: of the authorities before the present one, the newest so many.
constexpr std::size_t kOldAuthorities = 3;
// So long before its end a certificate that somebody else has to renew is spoken of.
constexpr std::chrono::days kSoon{7};

std::string date(Time time) { return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", time); }

// Those of our own making are this much older than they say.
Time made(const Facts& certificate) { return certificate.from + pki::kBackdate; }

// When a certificate of ours is to be renewed.
Time due(const Facts& certificate) {
  return certificate.until - (certificate.until - made(certificate)) / 3;
}

// ---- what others have put there ----------------------------------------------------------------

Problem problem_of(const std::string& name, const CertificateOptions& options, Severity severity,
                   std::string message) {
  Problem problem;
  problem.code = "value/xds-certificate";
  problem.severity = severity;
  problem.object = {.kind = {"", "Secret"}, .name = {Interned(options.name_space), name}};
  problem.message = std::move(message);
  problem.suggestion = fmt::format(
      "whoever made it has to renew it; without the Secrets `{}` and `{}`, sluice makes its own",
      options.server, options.client);
  return problem;
}

// Nothing is written where one of them is somebody else's: certificates of two houses do not go together.
Renewal watch_others(const HeldCertificates& held, const CertificateOptions& options, Time now) {
  Renewal renewal{.again = Time::max()};
  for (const auto& [name, certificate] :
       {std::pair(options.server, &held.server), std::pair(options.client, &held.client)}) {
    if (!*certificate) {
      renewal.problems.push_back(
          problem_of(name, options, Severity::kError, "the Secret is missing beside one that sluice has not made"));
      continue;
    }
    const Credentials& credentials = (*certificate)->credentials;
    if (std::string fault = pki::fault_of(credentials); !fault.empty()) {
      renewal.problems.push_back(problem_of(name, options, Severity::kError, std::move(fault)));
      continue;
    }
    const Time until = pki::read_pair(credentials.own)->until;
    if (now + kSoon < until) {
      renewal.again = std::min(renewal.again, until - kSoon);
    } else {
      renewal.problems.push_back(
          problem_of(name, options, now < until ? Severity::kWarning : Severity::kError,
                     fmt::format("its certificate {} on {}", now < until ? "ends" : "ended", date(until))));
    }
  }
  return renewal;
}

// ---- ours ----------------------------------------------------------------------------------------

// One who shows a certificate.
struct Leaf {
  const std::string* name;
  const std::optional<HeldCertificate>* held;
  std::vector<std::string> names;
  pki::Use use;
  std::optional<Credentials> Renewal::* to;

  pki::Pair own = {};
  std::optional<Facts> facts = {};
  bool by_present = false;  // signed by the present authority
};

class Renewing {
 public:
  Renewing(const HeldCertificates& held, const CertificateOptions& options, Time now)
      : options_(options), now_(now) {
    renewal_.again = Time::max();
    leaves_ = {Leaf{.name = &options.server,
                    .held = &held.server,
                    .names = options.server_names(),
                    // The server's is a client's, too: replicas of sluice may speak to each other.
                    .use = pki::Use::kBoth,
                    .to = &Renewal::server},
               Leaf{.name = &options.client,
                    .held = &held.client,
                    .names = {options.client},
                    .use = pki::Use::kClient,
                    .to = &Renewal::client}};
    choose_authority(held.authority);
    if (!options.overwrites) collect_old(held);
    for (Leaf& leaf : leaves_) choose(leaf);
    retire();
    write(held.authority);
  }

  Renewal take() { return std::move(renewal_); }

 private:
  void because(const std::string& name, const std::string& why) {
    renewal_.reasons.push_back(fmt::format("`{}`: {}", name, why));
  }
  void again(Time at) { renewal_.again = std::min(renewal_.again, at); }

  void choose_authority(const std::optional<HeldCertificate>& held) {
    const auto left = std::max<std::chrono::seconds>(kAuthorityLeft, options_.lasts / 3);
    std::string why = "there is none";
    if (options_.overwrites) {
      why = "all are to be made anew";
    } else if (held) {
      authority_ = held->credentials.own;
      const auto facts = pki::read_pair(authority_);
      if (!facts) {
        why = facts.error();
      } else if (!facts->is_authority) {
        why = "it is no certificate of an authority";
      } else if (!facts->is_valid(now_) || facts->until - now_ <= left) {
        why = fmt::format("it ends on {}", date(facts->until));
      } else {
        present_ = *facts;
        again(present_.until - left);
        return;
      }
    }
    because(options_.authority(), why);
    authority_ = pki::make_authority(fmt::format("{} {}", options_.authority(), options_.name_space),
                                     {.made = now_, .lasts = kAuthorityLasts});
    present_ = *pki::read_pair(authority_);
  }

  // Whom those trust that there are.
  void collect_old(const HeldCertificates& held) {
    for (const auto* one : {&held.authority, &held.server, &held.client}) {
      if (!*one) continue;
      const auto all = pki::read_certificates((*one)->credentials.authorities);
      if (!all) continue;
      for (const Facts& authority : *all) {
        const auto same = [&](const Facts& other) { return other.pem == authority.pem; };
        if (authority.is_authority && authority.is_valid(now_) && !same(present_) &&
            std::ranges::none_of(old_, same)) {
          old_.push_back(authority);
        }
      }
    }
    std::ranges::sort(old_, std::greater(), &Facts::from);
    old_.resize(std::min(old_.size(), kOldAuthorities));
  }

  // Whether everybody has heard of the present authority, or there is nobody who would not take another.
  bool is_trusted() const { return old_.empty() || now_ >= made(present_) + kOverlap; }

  // Why the certificate cannot stay, however young it is; empty: it can.
  std::string fault_of(const Leaf& leaf) const {
    if (options_.overwrites) return "all are to be made anew";
    if (!*leaf.held) return "there is none";
    const auto facts = pki::read_pair((*leaf.held)->credentials.own);
    if (!facts) return facts.error();
    if (!facts->is_valid(now_)) return fmt::format("it lasts from {} to {}", date(facts->from), date(facts->until));
    const auto signs = [&](const Facts& authority) { return pki::is_signed_by(facts->pem, authority.pem); };
    if (!signs(present_) && std::ranges::none_of(old_, signs)) return "it is by an authority that is not ours";
    return {};
  }

  void choose(Leaf& leaf) {
    std::string why = fault_of(leaf);
    if (why.empty()) {
      leaf.own = (*leaf.held)->credentials.own;
      leaf.facts = pki::read_pair(leaf.own).value();
      leaf.by_present = pki::is_signed_by(leaf.facts->pem, present_.pem);
      std::vector<std::string> names = leaf.names;
      std::ranges::sort(names);
      if (leaf.facts->names != names) {
        why = "it is for other names";
      } else if (now_ >= due(*leaf.facts)) {
        why = fmt::format("it ends on {}", date(leaf.facts->until));
      } else if (!leaf.by_present) {
        why = "there is a newer authority";
      }
      if (why.empty()) return again(due(*leaf.facts));
      if (!is_trusted()) return again(made(present_) + kOverlap);
    }
    because(*leaf.name, why);
    leaf.own = pki::issue(authority_, leaf.names, leaf.use, {.made = now_, .lasts = options_.lasts}).value();
    leaf.facts = pki::read_pair(leaf.own).value();
    leaf.by_present = true;
    again(due(*leaf.facts));
  }

  // Old authorities go when nobody shows a certificate by them any more.
  void retire() {
    if (old_.empty()) return;
    Time at = made(present_) + kOverlap;
    for (const Leaf& leaf : leaves_) {
      if (!leaf.by_present) return;  // it is due, which has been said
      at = std::max(at, made(*leaf.facts) + kOverlap);
    }
    if (now_ < at) return again(at);
    old_.clear();
    because(options_.authority(), "nobody uses the authority before it any more");
  }

  void write(const std::optional<HeldCertificate>& held_authority) {
    std::string bundle = present_.pem;
    for (const Facts& authority : old_) bundle += authority.pem;
    const auto set = [&](const std::optional<HeldCertificate>& held, pki::Pair own,
                         std::optional<Credentials>& to) {
      Credentials wanted{.own = std::move(own), .authorities = bundle};
      if (!held || held->credentials != wanted) to = std::move(wanted);
    };
    set(held_authority, authority_, renewal_.authority);
    for (Leaf& leaf : leaves_) set(*leaf.held, std::move(leaf.own), renewal_.*leaf.to);
    if (renewal_.changes() && renewal_.reasons.empty()) {
      because(options_.authority(), "those who trust it are to name it");
    }
  }

  const CertificateOptions& options_;
  const Time now_;
  pki::Pair authority_;
  Facts present_;
  std::vector<Facts> old_;  // the newest first
  std::array<Leaf, 2> leaves_{};
  Renewal renewal_;
};

}  // namespace

std::vector<std::string> CertificateOptions::server_names() const {
  return {server, fmt::format("{}.{}", server, name_space), fmt::format("{}.{}.svc", server, name_space),
          fmt::format("{}.{}.svc.{}", server, name_space, domain)};
}

CertificateOptions certificate_options(const infra::Settings& settings) {
  return {.name_space = settings.controller_namespace,
          .domain = settings.dns_domain,
          .server = settings.service,
          .client = settings.certificate_secret};
}

Renewal renew(const HeldCertificates& held, const CertificateOptions& options, Time now) {
  const bool others = (held.server && !held.server->is_ours) || (held.client && !held.client->is_ours);
  if (others && !options.overwrites) return watch_others(held, options, now);
  return Renewing(held, options, now).take();
}

HeldCertificate read_secret(const json& secret) {
  using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word
  HeldCertificate held;
  const json data = secret.value("data", json::object());
  pki::each_file(held.credentials, [&](const char* key, std::string& text) {
    if (!data.is_object() || !data.contains(key) || !data[key].is_string()) return;
    text = decode_base64(data[key].get<std::string>()).value_or("");
  });
  const json labels = secret.value("/metadata/labels"_json_pointer, json::object());
  held.is_ours = labels.is_object() && labels.value(kManagedBy, "") == kManager;
  return held;
}

json to_secret(const Credentials& credentials, const std::string& name, const std::string& name_space,
               const json& present) {
  json secret = present.is_object() ? present
                                    : json{{"apiVersion", "v1"},
                                           {"kind", "Secret"},
                                           {"metadata", {{"name", name}, {"namespace", name_space}}},
                                           {"type", "kubernetes.io/tls"}};
  secret["metadata"]["labels"][kManagedBy] = kManager;
  pki::each_file(credentials, [&](const char* key, const std::string& text) {
    secret["data"][key] = encode_base64(text);
  });
  return secret;
}

}  // namespace sluice::control

#include "control/certificate_secrets.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kube/backoff.h"
#include "kube/list_watch.h"

namespace sluice::control {

using nlohmann::json;

namespace {

constexpr unsigned kNotFound = 404;
constexpr unsigned kConflict = 409;
// Somebody may delete a Secret, or change it: so often it is looked at all.
constexpr std::chrono::minutes kLookAgain{10};
// So many others who renew at the same time.
constexpr int kTries = 5;
// After a failure.
constexpr std::chrono::seconds kFirst{1};
constexpr std::chrono::minutes kLongest{1};

pki::Time system_time() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// One renewal: reads the three, writes those that change.
class Renewer : public std::enable_shared_from_this<Renewer> {
 public:
  using Done = std::function<void(std::expected<Renewal, std::string>)>;

  Renewer(kube::Client& client, const CertificateOptions& options, Done done)
      : client_(client), options_(options), done_(std::move(done)) {
    secrets_ = {Secret{.name = options.authority()}, Secret{.name = options.server},
                Secret{.name = options.client}};
  }

  void read(std::size_t i) {
    if (i == secrets_.size()) return decide();
    client_.call({.target = secret_resource().target(options_.name_space, secrets_[i].name)},
                 [self = shared_from_this(), i](const kube::Outcome& outcome) {
                   Secret& secret = self->secrets_[i];
                   secret.present = nullptr;
                   if (!outcome) return self->fail("read", secret, outcome.error().message);
                   if (outcome->status != kNotFound) {
                     if (!outcome->ok()) {
                       return self->fail("read", secret, kube::describe(outcome->status, outcome->body));
                     }
                     secret.present = json::parse(outcome->body, nullptr, false);
                     if (!secret.present.is_object()) return self->fail("read", secret, "the answer is no Secret");
                   }
                   self->read(i + 1);
                 });
  }

 private:
  struct Secret {
    std::string name;
    json present = nullptr;  // null: there is none
    std::optional<pki::Credentials> wanted = {};
  };

  static std::optional<HeldCertificate> held(const Secret& secret) {
    if (secret.present.is_null()) return std::nullopt;
    return read_secret(secret.present);
  }

  void decide() {
    renewal_ = renew({.authority = held(secrets_[0]), .server = held(secrets_[1]), .client = held(secrets_[2])},
                     options_, system_time());
    secrets_[0].wanted = renewal_.authority;
    secrets_[1].wanted = renewal_.server;
    secrets_[2].wanted = renewal_.client;
    write(0);
  }

  void write(std::size_t i) {
    if (i == secrets_.size()) return done_(std::move(renewal_));
    const Secret& secret = secrets_[i];
    if (!secret.wanted) return write(i + 1);
    const bool is_new = secret.present.is_null();
    client_.call(
        {.method = is_new ? "POST" : "PUT",
         .target = secret_resource().target(options_.name_space, is_new ? "" : secret.name),
         .body = to_secret(*secret.wanted, secret.name, options_.name_space, secret.present).dump(),
         .content_type = "application/json"},
        [self = shared_from_this(), i](const kube::Outcome& outcome) {
          const Secret& its = self->secrets_[i];
          if (!outcome) return self->fail("write", its, outcome.error().message);
          // Somebody else was faster.
          if (outcome->status == kConflict && ++self->tries_ < kTries) return self->read(0);
          if (!outcome->ok()) return self->fail("write", its, kube::describe(outcome->status, outcome->body));
          self->write(i + 1);
        });
  }

  void fail(const char* what, const Secret& secret, const std::string& why) {
    done_(std::unexpected(
        fmt::format("the Secret {}/{} cannot be {}: {}", options_.name_space, secret.name,
                    what == std::string_view("read") ? "read" : "written", why)));
  }

  kube::Client& client_;
  const CertificateOptions options_;
  const Done done_;
  std::array<Secret, 3> secrets_;
  Renewal renewal_;
  int tries_ = 0;
};

Problem failure(std::string message) {
  Problem problem;
  problem.code = "cluster/xds-certificate";
  problem.message = std::move(message);
  problem.suggestion = "Envoys in pods cannot connect without the certificate, or when it has ended";
  return problem;
}

}  // namespace

kube::Resource secret_resource() {
  return {.group = "", .version = "v1", .plural = kSecretPlural, .kind = "Secret"};
}

void renew_secrets(kube::Client& client, const CertificateOptions& options,
                   std::function<void(std::expected<Renewal, std::string>)> done) {
  std::make_shared<Renewer>(client, options, std::move(done))->read(0);
}

class CertificateSecrets::Work : public kube::Sink, public std::enable_shared_from_this<Work> {
 public:
  Work(kube::Client& client, CertificateOptions options, Events events)
      : client_(client), options_(std::move(options)), events_(std::move(events)) {}

  void begin() {
    watch_ = std::make_unique<kube::ListWatch>(
        client_,
        kube::ListWatch::Options{.watched = {.resource = secret_resource(),
                                             .name_space = options_.name_space,
                                             .label_selector = "",
                                             .field_selector = "metadata.name=" + options_.server}},
        *this);
  }
  // No event follows.
  void end() { over_ = true; }
  void end_watch() { watch_.reset(); }

  void set_leads(bool leads) {
    if (std::exchange(leads_, leads) == leads) return;
    if (leads) return renew();
    renewal_problems_.clear();
    tell_problems();
  }

  // The sink's.
  void replaced(kube::Difference difference) override {
    for (const kube::Object& object : difference.changed) take(object.json);
  }
  void applied(kube::Object object) override { take(object.json); }
  void deleted(const NamespacedName&) override { renew(); }
  void missing() override {}
  void problem(const std::string& text) override {
    watch_problems_ = {failure(fmt::format("the Secret {}/{} cannot be read: {}", options_.name_space,
                                           options_.server, text))};
    tell_problems();
  }
  void recovered() override {
    watch_problems_.clear();
    tell_problems();
  }

 private:
  void take(const std::string& text) {
    if (over_) return;
    const json secret = json::parse(text, nullptr, false);
    if (secret.is_object()) events_.credentials(read_secret(secret).credentials);
  }

  void renew() {
    if (over_ || !leads_ || std::exchange(renewing_, true)) return;
    renew_secrets(client_, options_, [weak = weak_from_this()](std::expected<Renewal, std::string> renewal) {
      if (const auto self = weak.lock(); self && !self->over_) self->renewed(std::move(renewal));
    });
  }

  void renewed(std::expected<Renewal, std::string> renewal) {
    renewing_ = false;
    std::chrono::milliseconds wait = kLookAgain;
    if (renewal) {
      backoff_.reset();
      const auto left = renewal->again == pki::Time::max() ? kLookAgain : renewal->again - system_time();
      wait = std::clamp<std::chrono::milliseconds>(left, kFirst, kLookAgain);
      renewal_problems_ = std::move(renewal->problems);
      if (!renewal->reasons.empty()) events_.renewed(std::move(renewal->reasons));
    } else {
      wait = backoff_.next(random_);
      renewal_problems_ = {failure(std::move(renewal).error())};
    }
    tell_problems();
    client_.after(wait, [weak = weak_from_this(), round = ++round_] {
      if (const auto self = weak.lock(); self && self->round_ == round) self->renew();
    });
  }

  void tell_problems() {
    if (over_) return;
    std::vector<Problem> all = watch_problems_;
    all.insert(all.end(), renewal_problems_.begin(), renewal_problems_.end());
    if (all == told_) return;
    told_ = all;
    events_.problems(std::move(all));
  }

  kube::Client& client_;
  const CertificateOptions options_;
  const Events events_;
  bool over_ = false;
  bool leads_ = false;
  bool renewing_ = false;
  std::uint64_t round_ = 0;  // of renewals: one timer counts
  kube::Random random_ = kube::system_random();
  kube::Backoff backoff_{kFirst, kLongest};
  std::vector<Problem> watch_problems_;
  std::vector<Problem> renewal_problems_;
  std::vector<Problem> told_;
  std::unique_ptr<kube::ListWatch> watch_;
};

CertificateSecrets::CertificateSecrets(kube::Client& client, CertificateOptions options, Events events)
    : client_(client), work_(std::make_shared<Work>(client, std::move(options), std::move(events))) {
  work_->begin();
}

CertificateSecrets::~CertificateSecrets() {
  client_.run([this] { work_->end(); });
  work_->end_watch();
}

void CertificateSecrets::set_leads(bool leads) { work_->set_leads(leads); }

}  // namespace sluice::control

#include "control/expiry.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "translate/certificate.h"
#include "translate/upstream_tls.h"

namespace sluice::control {
namespace {

// A certificate that a proxy shows.
struct Shown {
  std::int64_t not_before = 0;  // in seconds of Unix time, as not_after
  std::int64_t not_after = 0;
  std::vector<Related> listeners;  // that show it; none: backends only are shown it
};
using AllShown = std::map<NamespacedName, Shown>;  // by Secret

ObjectKey secret_key(const NamespacedName& name) {
  return {.kind = api::kind_of<api::Secret>(), .name = name};
}

void add_shown_to_clients(const Pipeline& pipeline, AllShown& all) {
  pipeline.proxies().for_each([&](const ir::ProxyKey&, const translate::ProxyPlan& plan) {
    for (const translate::GatewayPlan& gateway : plan.gateways) {
      for (const translate::ListenerPlan& listener : gateway.listeners) {
        for (const auto& [secret, certificate] : listener.certificates) {
          Shown& shown = all[secret];
          shown.not_before = certificate.not_before;
          shown.not_after = certificate.not_after;
          shown.listeners.push_back(
              {.where = {},
               .object = listener.owner,
               .path = fmt::format("spec.listeners[{}].tls", listener.index),
               .message = fmt::format("listener `{}` shows it to clients", listener.name)});
        }
      }
    }
  });
}

void add_shown_to_backends(const Pipeline& pipeline, AllShown& all) {
  const auto add = [&](const translate::XdsKey& key, const Rendered&) {
    if (!key.name.starts_with(translate::kBackendCertificates)) return;
    const NamespacedName secret = pipeline.owner_of_secret(key).name;
    if (all.contains(secret)) return;
    const std::optional<api::Object> object = pipeline.object(secret_key(secret));
    if (!object) return;
    const auto* const held = std::get_if<std::shared_ptr<const api::Secret>>(&*object);
    if (held == nullptr) return;
    const translate::CertificateRow certificate = translate::read_certificate(**held);
    if (!certificate.error.empty()) return;
    all[secret] = {.not_before = certificate.not_before, .not_after = certificate.not_after, .listeners = {}};
  };
  pipeline.resources(xds::ResourceType::kSecret).for_each(add);
}

AllShown shown_certificates(const Pipeline& pipeline) {
  AllShown all;
  add_shown_to_clients(pipeline, all);
  add_shown_to_backends(pipeline, all);
  return all;
}

std::int64_t seconds_of(ExpiryWatch::Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::string date_of(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::vector<Problem> warnings(const AllShown& all, std::int64_t now) {
  std::vector<Problem> problems;
  for (const auto& [secret, shown] : all) {
    const bool early = now < shown.not_before;
    if (!early && now <= shown.not_after) continue;
    const std::string_view which =
        shown.listeners.empty() ? "certificate that backends are shown" : "certificate";
    problems.push_back(
        {.code = "value/certificate-expired",
         .severity = Severity::kWarning,
         .where = {},
         .object = secret_key(secret),
         .path = "data[tls.crt]",
         .message = early ? fmt::format("the {} is not valid before {}", which, date_of(shown.not_before))
                          : fmt::format("the {} has expired: it was valid until {}", which,
                                        date_of(shown.not_after)),
         .suggestion = "",
         .also = shown.listeners});
  }
  return problems;
}

}  // namespace

std::vector<Problem> expired_certificates(const Pipeline& pipeline,
                                          std::chrono::system_clock::time_point now) {
  return warnings(shown_certificates(pipeline), seconds_of(now));
}

void ExpiryWatch::committed(Time now) {
  const bool changed = !pipeline_.proxies().changes().empty() ||
                       !pipeline_.resources(xds::ResourceType::kSecret).changes().empty();
  if (changed) look(now);
}

std::optional<std::chrono::milliseconds> ExpiryWatch::wait(Time now) const {
  if (!looked_) return std::nullopt;
  const Time at = std::min(*looked_ + kLookAgain, due_.value_or(Time::max()));
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(at - now), std::chrono::milliseconds(0));
}

bool ExpiryWatch::look_if_due(Time now) {
  const std::optional<std::chrono::milliseconds> left = wait(now);
  // A clock that was set back is looked at now, too.
  if (!left || (left->count() > 0 && now >= *looked_)) return false;
  look(now);
  return true;
}

void ExpiryWatch::look(Time now) {
  const AllShown all = shown_certificates(pipeline_);
  const std::int64_t seconds = seconds_of(now);
  log_.remove_all(problems_);
  problems_ = warnings(all, seconds);
  log_.add_all(problems_);

  nearest_.reset();
  due_.reset();
  looked_.reset();
  if (!all.empty()) looked_ = now;
  const auto take = [this](std::int64_t at) {
    const Time time{std::chrono::seconds(at)};
    due_ = std::min(due_.value_or(time), time);
  };
  for (const auto& [secret, shown] : all) {
    nearest_ = std::min(nearest_.value_or(shown.not_after), shown.not_after);
    if (seconds < shown.not_before) take(shown.not_before);
    if (seconds <= shown.not_after) take(shown.not_after + 1);  // the second itself belongs to it
  }
}

}  // namespace sluice::control

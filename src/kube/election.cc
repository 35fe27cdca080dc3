#include "kube/election.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace sluice::kube {
namespace {

using Json = nlohmann::json;

// client-go's: those who do not lead come back after the period and up to 1.2 times as long again.
constexpr double kJitter = 1.2;
// A call of the leader's may take so much of the deadline, so that a second try fits in.
constexpr int kTries = 3;
// After a failure it is not long until the deadline: the next try comes after so much of the period.
constexpr int kHurry = 4;
// What is left of a Lease that is given back, as client-go has it.
constexpr int kReleasedSeconds = 1;

// MicroTime: "2026-01-02T03:04:05.678901Z".
std::string micro_time(Election::WallTime wall) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(wall.time_since_epoch()).count();
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(wall));
  std::tm time{};
  ::gmtime_r(&seconds, &time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", time.tm_year + 1900, time.tm_mon + 1,
                     time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, micros % 1'000'000);
}

}  // namespace

std::string Election::fault_of(const Options& options) {
  if (options.retry_period.count() <= 0) return "the retry period has to be more than nothing";
  if (options.renew_deadline <= options.retry_period * 6 / 5) {
    return "the renew deadline has to be more than 1.2 times the retry period";
  }
  if (options.lease_duration <= options.renew_deadline) {
    return "the lease duration has to be more than the renew deadline";
  }
  if (options.lease_duration < std::chrono::seconds(1))
    return "the lease duration has to be a second or more";
  return {};
}

Election::Election(Options options, Random random)
    : options_(std::move(options)), random_(std::move(random)) {}

std::string Election::target(bool with_name) const {
  const Resource leases{.group = "coordination.k8s.io", .version = "v1", .plural = "leases", .kind = "Lease"};
  return leases.target(options_.name_space, with_name ? options_.name : std::string());
}

Election::Step Election::send(Doing doing, Call call, Time now) {
  doing_ = doing;
  sent_ = now;
  call.timeout = options_.renew_deadline / kTries;
  call.urgent = true;
  if (!call.body.empty()) call.content_type = "application/json";
  return Send{std::move(call)};
}

Election::Step Election::start(Time now, WallTime) { return read(now); }

Election::Step Election::read(Time now) {
  known_ = false;
  return send(Doing::kReading, {.method = "GET", .target = target(true)}, now);
}

Election::Step Election::waited(Time now, WallTime wall) {
  if (leads(now) && known_) return renew(now, wall);
  return read(now);
}

Election::Step Election::answered(const Outcome& outcome, Time now, WallTime wall) {
  if (!outcome) return failed(outcome.error().message, now);
  const Answer& answer = *outcome;
  switch (doing_) {
    case Doing::kReading:
      if (answer.status == 404) {
        lease_.clear();
        spec_.clear();
        holder_.clear();
        leads_until_.reset();
        const Json lease{{"apiVersion", "coordination.k8s.io/v1"},
                         {"kind", "Lease"},
                         {"metadata", {{"name", options_.name}, {"namespace", options_.name_space}}},
                         {"spec", Json::parse(spec_changed(wall, true))}};
        return send(Doing::kCreating, {.method = "POST", .target = target(false), .body = lease.dump()}, now);
      }
      if (!answer.ok()) return failed(describe(answer.status, answer.body), now);
      if (!observe(answer.body, now)) return failed("it answers with what is no Lease", now);
      problem_.clear();
      return take(now, wall);
    case Doing::kCreating:
    case Doing::kUpdating:
      if (answer.ok()) return led(answer.body, now);
      if (answer.status == 409) {  // somebody else was faster
        if (leads(now)) return read(now);
        return again();
      }
      return failed(describe(answer.status, answer.body), now);
  }
  return again();
}

Election::Step Election::take(Time now, WallTime wall) {
  if (holder_ == options_.identity) return renew(now, wall);
  leads_until_.reset();
  if (!holder_.empty() && now < changed_ + held_for_) return again();
  Json lease = Json::parse(lease_);
  lease["spec"] = Json::parse(spec_changed(wall, true));
  return send(Doing::kUpdating, {.method = "PUT", .target = target(true), .body = lease.dump()}, now);
}

Election::Step Election::renew(Time now, WallTime wall) {
  Json lease = Json::parse(lease_);
  lease["spec"] = Json::parse(spec_changed(wall, false));
  return send(Doing::kUpdating, {.method = "PUT", .target = target(true), .body = lease.dump()}, now);
}

// The spec with us as its holder, renewed now; `taken`: who was not before.
std::string Election::spec_changed(WallTime wall, bool taken) const {
  Json spec = spec_.empty() ? Json::object() : Json::parse(spec_);
  const std::string now = micro_time(wall);
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = std::chrono::ceil<std::chrono::seconds>(options_.lease_duration).count();
  spec["renewTime"] = now;
  if (taken) {
    const auto before = spec.find("leaseTransitions");
    const bool counted = before != spec.end() && before->is_number_integer();
    spec["acquireTime"] = now;
    spec["leaseTransitions"] = spec_.empty() ? 0 : 1 + (counted ? before->get<std::int64_t>() : 0);
  }
  return spec.dump();
}

Election::Step Election::led(const std::string& body, Time now) {
  known_ = observe(body, now);
  problem_.clear();
  leads_until_ = sent_ + options_.renew_deadline;
  return Wait{options_.retry_period};
}

Election::Step Election::again() { return Wait{jittered(options_.retry_period, kJitter, random_)}; }

Election::Step Election::failed(std::string text, Time now) {
  problem_ = std::move(text);
  known_ = false;  // an update may have been done all the same
  if (!leads(now)) return again();
  return Wait{options_.retry_period / kHurry};
}

// False where it is no Lease.
bool Election::observe(const std::string& body, Time now) {
  Json lease = Json::parse(body, nullptr, false);
  if (!lease.is_object() || !lease.contains("metadata")) return false;
  const Json spec = lease.value("spec", Json::object());
  if (!spec.is_object()) return false;
  const auto holder = spec.find("holderIdentity");
  const auto seconds = spec.find("leaseDurationSeconds");
  holder_ = holder != spec.end() && holder->is_string() ? holder->get<std::string>() : std::string();
  held_for_ =
      std::chrono::seconds(seconds != spec.end() && seconds->is_number_integer() ? seconds->get<int>() : 0);
  std::string text = spec.dump();
  if (text != spec_) changed_ = now;
  spec_ = std::move(text);
  lease_ = body;
  return true;
}

std::optional<Call> Election::release(WallTime wall) {
  leads_until_.reset();
  if (holder_ != options_.identity || lease_.empty()) return std::nullopt;
  Json lease = Json::parse(lease_);
  Json& spec = lease["spec"];
  const std::string now = micro_time(wall);
  spec["holderIdentity"] = "";
  spec["leaseDurationSeconds"] = kReleasedSeconds;
  spec["renewTime"] = now;
  spec["acquireTime"] = now;
  return Call{.method = "PUT",
              .target = target(true),
              .body = lease.dump(),
              .content_type = "application/json",
              .timeout = options_.renew_deadline / kTries,
              .urgent = true};
}

}  // namespace sluice::kube

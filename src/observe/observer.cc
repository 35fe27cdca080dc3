#include "observe/observer.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "admin/page.h"
#include "observe/state.h"

namespace sluice::observe {
namespace {

using Clock = std::chrono::steady_clock;

admin::Response json(const nlohmann::ordered_json& value, unsigned status = 200) {
  return {.status = status,
          .content_type = "application/json",
          // What comes from files and from Envoys need not be UTF-8.
          .body = value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"};
}

// A handler that answers at once.
template <typename F>
admin::Handler at_once(F answer) {
  return [answer](const admin::Request& request, const admin::Respond& respond) {
    respond([answer, request] { return answer(request); });
  };
}

bool is_verbose(const admin::Request& request) {
  return ("&" + request.query + "&").find("&verbose&") != std::string::npos ||
         request.query.find("verbose=") != std::string::npos;
}

}  // namespace

void Observer::read(std::size_t upserted, std::size_t deleted, Time noticed) {
  metrics_.read(upserted, deleted);
  const std::lock_guard lock(mutex_);
  if (!noticed_) noticed_ = noticed;
}

void Observer::committed(std::uint64_t commit, const flow::CommitStats& stats,
                         std::chrono::microseconds cpu) {
  metrics_.committed(stats, cpu);
  const std::lock_guard lock(mutex_);
  commit_ = commit;
  rows_.clear();
  for (const flow::StageStats& stage : stats.stages) rows_.emplace_back(stage.name, stage.rows);
}

void Observer::objects(std::vector<std::pair<GroupKind, std::size_t>> by_kind) {
  const std::lock_guard lock(mutex_);
  objects_ = std::move(by_kind);
}

void Observer::added(const ir::ProxyKey& proxy, std::vector<std::uint16_t> ports) {
  const std::lock_guard lock(mutex_);
  fleet_.add(proxy, std::move(ports));
}

void Observer::removed(const ir::ProxyKey& proxy) {
  const std::lock_guard lock(mutex_);
  fleet_.remove(proxy);
}

void Observer::served(std::uint64_t commit, const std::vector<ir::ProxyKey>& proxies, Time now) {
  const std::lock_guard lock(mutex_);
  const std::optional<Time> noticed = std::exchange(noticed_, std::nullopt);
  for (const ir::ProxyKey& proxy : proxies) fleet_.served(proxy, commit, noticed, now);
}

void Observer::happened(const ads::Event& event, Time now) {
  if (const auto* rejected = std::get_if<ads::Rejected>(&event)) return metrics_.rejected(*rejected);
  const std::lock_guard lock(mutex_);
  if (const auto* connected = std::get_if<ads::Connected>(&event)) {
    fleet_.connected(connected->proxy, connected->node);
  } else if (const auto* disconnected = std::get_if<ads::Disconnected>(&event)) {
    fleet_.disconnected(disconnected->proxy, disconnected->node);
  } else if (const auto* ack = std::get_if<ads::Acknowledged>(&event)) {
    for (const auto latency : fleet_.acknowledged(ack->proxy, ack->node, ack->commit, now)) {
      metrics_.arrived(latency);
    }
  }
}

void Observer::happened(const proxy::Event& event) {
  const std::lock_guard lock(mutex_);
  fleet_.changed(event);
}

void Observer::held_back(std::size_t objects) {
  const std::lock_guard lock(mutex_);
  held_back_ = objects;
}

void Observer::problems(const std::vector<Problem>& added, const std::vector<Problem>& removed) {
  const std::lock_guard lock(mutex_);
  for (const Problem& problem : added) ++problems_[{problem.severity, problem.code}];
  for (const Problem& problem : removed) {
    const auto at = problems_.find({problem.severity, problem.code});
    if (at != problems_.end() && --at->second == 0) problems_.erase(at);
  }
}

void Observer::certificates(std::optional<std::int64_t> nearest_expiry) {
  const std::lock_guard lock(mutex_);
  nearest_expiry_ = nearest_expiry;
}

std::vector<std::string> Observer::lacks(std::uint64_t commit, const std::vector<Fleet::Proxy>& proxies,
                                         Time now) const {
  if (stopping_) return {"sluice is stopping"};
  return missing(commit, waits_ ? proxies : std::vector<Fleet::Proxy>(), now);
}

Now Observer::look(Time now) const {
  const Time::rep since = busy_since_;
  const std::lock_guard lock(mutex_);
  Now all{.time = now,
          .busy = since == 0 ? Clock::duration(0)
                             : std::max(now - Time(Clock::duration(since)), Clock::duration(0)),
          .objects = objects_,
          .rows = rows_,
          .problems = problems_,
          .held_back = held_back_,
          .nearest_expiry = nearest_expiry_,
          .proxies = fleet_.proxies()};
  all.ready = lacks(commit_, all.proxies, now).empty();
  return all;
}

admin::Response Observer::healthz() const {
  const auto busy = look(Clock::now()).busy;
  if (busy <= kHangs) return {.body = "ok\n"};
  return {.status = 503,
          .body = fmt::format("the control thread has been at one thing for {} s\n",
                              std::chrono::duration_cast<std::chrono::seconds>(busy).count())};
}

admin::Response Observer::readyz(bool verbose) const {
  const Time now = Clock::now();
  std::uint64_t commit = 0;
  std::vector<Fleet::Proxy> proxies;
  {
    const std::lock_guard lock(mutex_);
    commit = commit_;
    proxies = fleet_.proxies();
  }
  const std::vector<std::string> lacks = this->lacks(commit, proxies, now);
  const unsigned status = lacks.empty() ? 200 : 503;
  if (verbose) {
    return json({{"ready", lacks.empty()},
                 {"commit", commit},
                 {"missing", lacks},
                 {"proxies", proxy_states(proxies, now)}},
                status);
  }
  if (lacks.empty()) return {.body = "ready\n"};
  std::string body = "not ready\n";
  for (const std::string& each : lacks) body += each + "\n";
  return {.status = status, .body = std::move(body)};
}

void Observer::metrics(const admin::Respond& respond) const {
  const auto give = [this, respond](std::string more) {
    respond([this, more = std::move(more)] {
      return admin::Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                             .body = metrics_.text(look(Clock::now())) + more};
    });
  };
  if (!ways_.more_metrics) return give("");
  std::vector<ir::ProxyKey> proxies;
  for (const Fleet::Proxy& proxy : look(Clock::now()).proxies) proxies.push_back(proxy.key);
  ways_.more_metrics(proxies, give);
}

Snapshot Observer::located(const Snapshot& snapshot) {
  Snapshot all = snapshot;
  if (problems_given_ != snapshot.problems || problems_commit_ != snapshot.commit) {
    std::vector<Problem> placed = *snapshot.problems;
    for (Problem& problem : placed) {
      if (problem.where.line == 0) ways_.locate(problem);
    }
    std::ranges::stable_sort(placed, {}, [](const Problem& p) { return std::tie(p.where.file, p.where); });
    problems_given_ = snapshot.problems;
    problems_placed_ = std::make_shared<const std::vector<Problem>>(std::move(placed));
    problems_commit_ = snapshot.commit;
  }
  all.problems = problems_placed_;
  return all;
}

void Observer::page_state(const admin::Request& request, const admin::Respond& respond) {
  ways_.snapshot([this, respond, before = request.if_none_match](std::shared_ptr<const Snapshot> snapshot) {
    respond([this, snapshot, before] {
      Live live{.now = Clock::now(), .proxies = look(Clock::now()).proxies, .health = {}};
      std::vector<ir::ProxyKey> keys;
      for (const Fleet::Proxy& proxy : live.proxies) {
        keys.push_back(proxy.key);
        live.health[proxy.key] = health_.look(proxy.key, live.now);
      }
      health_.forget_others(keys);
      admin::Response response = json(observe::page_state(located(*snapshot), live));
      response.etag = fmt::format("\"{:016x}\"", std::hash<std::string>()(response.body));
      if (response.etag == before) return admin::Response{.status = 304, .body = "", .etag = response.etag};
      return response;
    });
  });
}

std::map<std::string, admin::Handler, std::less<>> Observer::health_handlers() {
  return {
      {"/healthz", at_once([this](const admin::Request&) { return healthz(); })},
      {"/readyz", at_once([this](const admin::Request& request) { return readyz(is_verbose(request)); })},
      {"/metrics", [this](const admin::Request&, const admin::Respond& respond) { metrics(respond); }},
  };
}

std::map<std::string, admin::Handler, std::less<>> Observer::handlers() {
  std::map<std::string, admin::Handler, std::less<>> all{
      {"/", at_once([](const admin::Request&) {
         return admin::Response{.content_type = "text/html; charset=utf-8",
                                .body = std::string(admin::page())};
       })},
      {"/api/state", [this](const admin::Request& request,
                            const admin::Respond& respond) { page_state(request, respond); }},
      {"/api/status",
       [this](const admin::Request&, const admin::Respond& respond) {
         ways_.snapshot([this, respond](std::shared_ptr<const Snapshot> snapshot) {
           respond([this, snapshot] { return json(object_statuses(located(*snapshot))); });
         });
       }},
  };
  all.merge(health_handlers());
  return all;
}

}  // namespace sluice::observe

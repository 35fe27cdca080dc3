#include "control/pickers.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "control/picker_plan.h"
#include "picker/config/config.h"
#include "picker/exchange/pool_metrics.h"

namespace sluice::control {
namespace {

// What picker/module/pool_file.h reads.
std::string text_of(const translate::PickerPlan& plan, const std::string& config) {
  using nlohmann::json;
  json servers = json::array();
  for (const picker::Endpoint& endpoint : endpoints_of(plan)) {
    json& server = servers.emplace_back(json{{"address", endpoint.address}});
    if (endpoint.role == picker::Role::kPrefill) server["role"] = "prefill";
    if (endpoint.role == picker::Role::kDecode) server["role"] = "decode";
    if (!endpoint.labels.empty()) server["labels"] = endpoint.labels;
  }
  const picker::TrafficRules rules = rules_of(plan);
  json rewrites = json::array();
  for (const picker::ModelRewrite& rewrite : rules.rewrites) {
    json targets = json::array();
    for (const auto& target : rewrite.targets)
      targets.push_back({{"model", target.model}, {"weight", target.weight}});
    rewrites.push_back({{"models", rewrite.models}, {"targets", std::move(targets)}});
  }
  json pool{
      {"servers", std::move(servers)}, {"objectives", rules.priorities}, {"rewrites", std::move(rewrites)}};
  if (!config.empty()) pool["config"] = json::parse(config);
  return pool.dump();
}

// Of a config that has been read without a mistake.
picker::Profile profile_of(const std::string& config) {
  if (config.empty()) return picker::default_profile();
  std::vector<Problem> ignored;
  std::optional<picker::Profile> profile = picker::read_profile(config, "", &ignored);
  return profile ? *std::move(profile) : picker::default_profile();
}

}

// Whoever reads it finds the old text or the new one. It need not outlive the machine, so nobody waits for
// the disk. What is wrong, or nothing.
std::string replace_file(const std::string& path, std::string_view text) {
  const std::string next = path + ".new";
  std::ofstream out(next, std::ios::binary | std::ios::trunc);
  out << text << std::flush;
  if (!out) return "it cannot be written";
  out.close();
  std::error_code error;
  std::filesystem::rename(next, path, error);
  return error ? error.message() : "";
}

void say(Level level, const char* what, const NamespacedName& pool, const Problem& problem) {
  log(level, what, {{"pool", pool.to_string()}, {"code", problem.code}, {"problem", problem.message}});
}

}  // namespace

void Pickers::follow(const Pipeline& pipeline) {
  for (const auto& change : pipeline.pickers().changes()) {
    if (change.after != nullptr) {
      set(change.key, *change.after);
    } else {
      end(change.key);
    }
  }
}

void Pickers::end(const NamespacedName& pool) {
  const auto running = running_.find(pool);
  if (running == running_.end()) return;
  std::error_code ignored;
  if (!running->second.file.empty()) std::filesystem::remove(running->second.file, ignored);
  Picker ended;  // outside of the lock
  {
    const std::lock_guard lock(mutex_);
    ended = std::move(running->second);
    running_.erase(running);
  }
  log(Level::kInfo, "picker ended", {{"pool", pool.to_string()}});
}

void Pickers::set(const NamespacedName& pool, const translate::PickerPlan& plan) {
  const bool inside = !plan.file.empty();
  auto running = running_.find(pool);
  const std::string before = running == running_.end() ? "" : running->second.config;
  const std::string config = plan.config.value_or(before);
  if (running != running_.end() && running->second.file.empty() == inside) {
    end(pool);  // it moves
    running = running_.end();
  }
  if (running != running_.end()) running->second.config = config;
  if (running != running_.end() && !inside) {
    running->second.server->update(endpoints_of(plan), rules_of(plan),
                                   config == before ? std::nullopt : std::optional(profile_of(config)));
    return;
  }
  std::error_code ignored;  // whoever makes something there says what is wrong
  std::filesystem::create_directories(std::filesystem::path(inside ? plan.file : plan.socket).parent_path(),
                                      ignored);
  if (inside) {
    if (const std::string problem = replace_file(plan.file, text_of(plan, config)); !problem.empty()) {
      say(Level::kError, "a picker cannot be told of its pool", pool,
          {.code = "value/run-dir", .message = fmt::format("{}: {}", plan.file, problem)});
      return;
    }
    if (running != running_.end()) return;
    log(Level::kInfo, "picker started", {{"pool", pool.to_string()}, {"inside", plan.file}});
    const std::lock_guard lock(mutex_);
    running_.emplace(pool, Picker{.server = nullptr, .file = plan.file, .config = config});
    return;
  }
  picker::ServerOptions options;
  options.service.pool.rules = rules_of(plan);
  options.service.pool.profile = profile_of(config);
  options.server.address = "unix:" + plan.socket;
  options.endpoints = endpoints_of(plan);
  Problem problem;
  auto server = picker::PickerServer::start(
      std::move(options), [pool](const Problem& later) { say(Level::kError, "picker", pool, later); },
      &problem);
  if (server == nullptr) {
    say(Level::kError, "a picker cannot start", pool, problem);
    return;
  }
  log(Level::kInfo, "picker started", {{"pool", pool.to_string()}, {"socket", plan.socket}});
  const std::lock_guard lock(mutex_);
  running_.emplace(pool, Picker{.server = std::move(server), .file = {}, .config = config});
}

std::string Pickers::metrics() const {
  std::vector<std::pair<std::string, std::shared_ptr<picker::PickerServer>>> servers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pool, running] : running_) {
      if (running.server != nullptr) servers.emplace_back(pool.to_string(), running.server);
    }
  }
  std::vector<picker::PoolReading> readings;
  for (const auto& [name, server] : servers) {
    std::promise<picker::PoolReading> reading;
    server->look([&](picker::Pool& pool, std::vector<picker::Scraper::Server> known) {
      reading.set_value({.name = name, .pool = pool, .servers = std::move(known)});
    });
    readings.push_back(reading.get_future().get());
  }
  return readings.empty() ? "" : picker::metrics_page(readings);
}

}  // namespace sluice::control

#include "control/pickers.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file.h"
#include "base/log.h"
#include "control/picker_plan.h"
#include "picker/exchange/pool_metrics.h"

namespace sluice::control {
namespace {

// The sockets beside this file that processes have left which are no more.
void remove_dead(const std::filesystem::path& file) {
  std::error_code ignored;
  const std::string begin = file.filename().string() + ".";
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(begin)) continue;
    int pid = 0;
    const auto [end, error] = std::from_chars(name.data() + begin.size(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size() || pid <= 0) continue;
    if (::kill(pid, 0) != 0 && errno == ESRCH) std::filesystem::remove(entry.path(), ignored);
  }
}

void say(Level level, const char* what, const NamespacedName& pool, const Problem& problem) {
  log(level, what, {{"pool", pool.to_string()}, {"code", problem.code}, {"problem", problem.message}});
}

}  // namespace

// Whether pages may be given.
struct Pickers::Gate {
  std::mutex mutex;
  bool open = true;
};

// A page that comes in parts. It is given when the last who has a part to add has let go of it, whether there
// was an answer or not.
struct Pickers::Gathering {
  Gathering(std::shared_ptr<Gate> whether, std::function<void(std::string)> to)
      : gate(std::move(whether)), done(std::move(to)) {}
  Gathering(const Gathering&) = delete;
  Gathering& operator=(const Gathering&) = delete;
  ~Gathering() {
    const std::lock_guard lock(gate->mutex);
    if (gate->open) done(picker::join_pages("proxy", pages));
  }

  void add(std::string proxy, std::string page) {
    const std::lock_guard lock(mutex);
    pages.push_back({std::move(proxy), std::move(page)});
  }

  const std::shared_ptr<Gate> gate;
  const std::function<void(std::string)> done;
  std::mutex mutex;
  std::vector<picker::NamedPage> pages;
};

Pickers::Pickers() : gate_(std::make_shared<Gate>()) {}
Pickers::~Pickers() { close(); }

void Pickers::close() {
  const std::lock_guard lock(gate_->mutex);
  gate_->open = false;
}

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
  if (plan.file.empty() && plan.socket.empty()) return end(pool);  // proxies are told by what they are sent
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
    const picker::Config decides = config_of(config);
    running->second.server->update(endpoints_of(plan), rules_of(plan),
                                   config == before ? std::nullopt : std::optional(decides.profile),
                                   sources_of(plan, decides));
    return;
  }
  std::error_code ignored;  // whoever makes something there says what is wrong
  std::filesystem::create_directories(std::filesystem::path(inside ? plan.file : plan.socket).parent_path(),
                                      ignored);
  if (inside) {
    if (const auto written = write_file(plan.file, contents_of(plan, config), Lasting::kWhileUp); !written) {
      say(Level::kError, "a picker cannot be told of its pool", pool,
          {.code = "value/run-dir", .message = written.error()});
      return;
    }
    remove_dead(plan.file);
    if (running != running_.end()) return;
    log(Level::kInfo, "picker started", {{"pool", pool.to_string()}, {"inside", plan.file}});
    const std::lock_guard lock(mutex_);
    running_.emplace(pool, Picker{.server = nullptr, .file = plan.file, .config = config});
    return;
  }
  picker::ServerOptions options;
  options.service.pool.rules = rules_of(plan);
  const picker::Config decides = config_of(config);
  options.service.pool.profile = decides.profile;
  options.service.scrape.sources = sources_of(plan, decides);
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

void Pickers::metrics(const std::vector<ir::ProxyKey>& proxies, const Ask& ask,
                      std::function<void(std::string)> done) const {
  std::vector<std::pair<std::string, std::shared_ptr<picker::PickerServer>>> servers;
  std::vector<std::string> files;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pool, running] : running_) {
      if (running.server != nullptr) servers.emplace_back(pool.to_string(), running.server);
      if (!running.file.empty()) files.push_back(running.file);
    }
  }
  const auto gathering = std::make_shared<Gathering>(gate_, std::move(done));
  // First, so that they answer meanwhile.
  for (const std::string& file : files) {
    for (const ir::ProxyKey& proxy : proxies) {
      ask(
          proxy, [file](int pid) { return fmt::format("{}.{}", file, pid); },
          [gathering, proxy](std::optional<std::string> page) {
            if (page) gathering->add(proxy, *std::move(page));
          });
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
  if (!readings.empty()) gathering->add("", picker::metrics_page(readings));
}

}  // namespace sluice::control

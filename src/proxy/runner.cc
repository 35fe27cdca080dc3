#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "proxy/hot_restart.h"
#include "proxy/listening.h"
#include "proxy/proxy.h"
#include "proxy/shared_ports.h"
#include "proxy/supervisor.h"

namespace sluice::proxy {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestSocketPath = 107;
constexpr std::size_t kShortName = 10;
constexpr std::string_view kStateEnd = ".state";
constexpr std::chrono::milliseconds kLookAtAwaited{500};

Problem problem(std::string code, std::string message, std::string suggestion = {}) {
  return {.code = std::move(code), .message = std::move(message), .suggestion = std::move(suggestion)};
}

bool is_short_name(std::string_view name) {
  return name.size() == kShortName &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::optional<Problem> prepare_run_dir(const std::string& run_dir) {
  std::error_code error;
  fs::create_directories(fs::path(run_dir).parent_path(), error);
  if (::mkdir(run_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return problem("value/run-dir", fmt::format("cannot create `{}`: {}", run_dir, strerrordesc_np(errno)));
  }
  struct stat status;
  if (::stat(run_dir.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return problem("value/run-dir", fmt::format("`{}` is not a folder", run_dir));
  }
  // Who can write here can have any process taken for an Envoy of ours, and talk to the admin interfaces.
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return problem("value/run-dir", fmt::format("others may write to `{}`", run_dir),
                   "use one that only you may write to");
  }
  // "/<short name>" and the longest that is appended to it.
  const std::size_t longest = run_dir.size() + 1 + kShortName + kLongestSocketSuffix;
  if (longest > kLongestSocketPath) {
    return problem("value/run-dir",
                   fmt::format("the path `{}` is too long for Unix sockets in it, by {} bytes", run_dir,
                               longest - kLongestSocketPath),
                   "use a shorter one");
  }
  return std::nullopt;
}

class ThreadedRunner final : public Runner {
 public:
  ThreadedRunner(Options options, std::function<void(Event)> on_event, Descriptor lock)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        around_{
            .loop = loop_,
            .options = options_,
            .report = std::move(on_event),
            .finished = [this](const ir::ProxyKey& proxy) { loop_.post([this, proxy] { forget(proxy); }); }} {
  }

  ~ThreadedRunner() override {
    loop_.post([this] { loop_.quit(); });
    if (thread_.joinable()) thread_.join();
  }

  // Finds the Envoys of the runner before.
  std::optional<Problem> adopt() {
    if (!loop_.usable()) return problem("value/limits", "no file descriptors are left");
    std::error_code error;
    std::vector<std::string> names;  // of state files
    for (const fs::directory_entry& entry : fs::directory_iterator(options_.run_dir, error)) {
      const std::string name = entry.path().stem();
      if (entry.path().extension() == kStateEnd && is_short_name(name)) names.push_back(name);
    }
    if (error) {
      return problem("value/run-dir", fmt::format("cannot read `{}`: {}", options_.run_dir, error.message()));
    }
    std::map<std::string, ProxyRecord> living;
    for (ProxyRecord& record : recover_records(options_.run_dir)) {
      std::string name = short_name(record.proxy);
      living.emplace(std::move(name), std::move(record));
    }
    for (const std::string& name : names) {
      std::optional<ProxyRecord> record = decode_record(read_file(state_file(name)).value_or(""));
      const auto alive = living.find(name);
      // Of another version, cut off, or older than the processes: then they tell.
      if (record && alive != living.end() && !has_all_of(*record, alive->second)) record.reset();
      const bool taken = record && short_name(record->proxy) == name && take_over(*std::move(record));
      if (taken) {
        living.erase(name);
      } else if (alive == living.end()) {
        fs::remove(state_file(name), error);
      }
    }
    // Of whom nothing is written: whoever cleans up, as systemd does with a RuntimeDirectory, leaves
    // processes.
    for (auto& [name, record] : living) take_over(std::move(record));
    remove_old_files();
    loop_.post([this] {
      for (const auto& [key, supervisor] : supervisors_) supervisor->resume();
      look_around();
    });
    return std::nullopt;
  }

  void run() {
    thread_ = std::thread([this] { loop_.run(); });
  }

  void ensure(const ir::Proxy& proxy) override {
    no_longer_adopted(proxy.key);
    loop_.post([this, proxy] {
      if (stopping_) return;
      std::unique_ptr<Supervisor>& supervisor = supervisors_[proxy.key];
      if (!supervisor || supervisor->finished())
        supervisor = std::make_unique<Supervisor>(around_, proxy.key);
      supervisor->ensure(proxy);
    });
  }

  void remove(const ir::ProxyKey& proxy) override {
    no_longer_adopted(proxy);
    loop_.post([this, proxy] {
      const auto found = supervisors_.find(proxy);
      if (found != supervisors_.end()) found->second->remove(true);
    });
  }

  void ask(const ir::ProxyKey& proxy, const std::string& target,
           std::function<void(std::optional<std::string>)> done) override {
    loop_.post([this, proxy, target, done = std::move(done)] {
      const auto found = supervisors_.find(proxy);
      if (found == supervisors_.end()) return done(std::nullopt);
      found->second->ask(target, done);
    });
  }

  void ask_part(const ir::ProxyKey& proxy, std::function<std::string(int pid)> socket,
                const std::string& target, std::function<void(std::optional<std::string>)> done) override {
    loop_.post([this, proxy, socket = std::move(socket), target, done = std::move(done)] {
      const auto found = supervisors_.find(proxy);
      if (found == supervisors_.end()) return done(std::nullopt);
      found->second->ask_part(socket, target, done);
    });
  }

  void await_free(std::set<std::uint16_t> ports, std::function<void(std::uint16_t)> freed) override {
    loop_.post([this, ports = std::move(ports), freed = std::move(freed)] {
      freed_ = freed;
      std::erase_if(awaited_, [&ports](const auto& port) { return !ports.contains(port.first); });
      for (const std::uint16_t port : ports) awaited_.emplace(port, false);
      look_at_awaited();
    });
  }

  void stop(std::function<void()> stopped) override {
    {
      const std::lock_guard lock(mutex_);
      adopted_.clear();
    }
    loop_.post([this, stopped = std::move(stopped)] {
      stopping_ = true;
      stopped_ = stopped;
      for (const auto& [key, supervisor] : supervisors_) supervisor->remove(false);
      tell_if_stopped();
    });
  }

  void hurry() override {
    loop_.post([this] {
      for (const auto& [key, supervisor] : supervisors_) supervisor->hurry();
    });
  }

  std::vector<ir::ProxyKey> adopted() const override {
    const std::lock_guard lock(mutex_);
    return {adopted_.begin(), adopted_.end()};
  }

 private:
  std::string state_file(const std::string& name) const {
    return fmt::format("{}/{}{}", options_.run_dir, name, kStateEnd);
  }

  // False where none of its processes lives.
  bool take_over(ProxyRecord record) {
    auto supervisor = std::make_unique<Supervisor>(around_, std::move(record));
    if (!supervisor->has_processes()) return false;
    adopted_.insert(supervisor->proxy());
    supervisors_.emplace(supervisor->proxy(), std::move(supervisor));
    return true;
  }

  void no_longer_adopted(const ir::ProxyKey& proxy) {
    const std::lock_guard lock(mutex_);
    adopted_.erase(proxy);
  }

  void forget(const ir::ProxyKey& proxy) {
    const auto found = supervisors_.find(proxy);
    // Meanwhile it may have been ensured again.
    if (found == supervisors_.end() || !found->second->finished()) return;
    supervisors_.erase(found);
    no_longer_adopted(proxy);
    tell_if_stopped();
  }

  void tell_if_stopped() {
    if (!stopped_ || !supervisors_.empty()) return;
    std::exchange(stopped_, nullptr)();
  }

  void look_around() {
    std::set<std::uint16_t> ports;
    std::vector<int> pids;
    for (const auto& [key, supervisor] : supervisors_) {
      supervisor->rotate_logs();
      ports.merge(supervisor->ports());
      for (const int pid : supervisor->pids()) pids.push_back(pid);
    }
    const std::set<std::uint16_t>& shared = shared_ports_.look(ports, pids);
    for (const auto& [key, supervisor] : supervisors_) {
      std::set<std::uint16_t> its = supervisor->ports();
      std::erase_if(its, [&shared](std::uint16_t port) { return !shared.contains(port); });
      supervisor->set_shared_ports(its);
    }
    next_look_ = loop_.after(options_.look_around, [this] { look_around(); });
  }

  void look_at_awaited() {
    next_look_at_awaited_.reset();
    if (awaited_.empty()) return;
    std::set<std::uint16_t> listened;
    for (const auto& [inode, socket] : listening_sockets()) listened.insert(socket.port);
    for (auto& [port, taken] : awaited_) {
      const bool before = std::exchange(taken, listened.contains(port));
      if (before && !taken) freed_(port);
    }
    next_look_at_awaited_ = loop_.after(kLookAtAwaited, [this] { look_at_awaited(); });
  }

  // Bootstraps and sockets of processes that are no more.
  void remove_old_files() {
    std::set<std::string> in_use;
    for (const auto& [key, supervisor] : supervisors_) {
      for (std::string& each : supervisor->files_in_use()) in_use.insert(std::move(each));
    }
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(options_.run_dir, error)) {
      const fs::path name = entry.path().filename();
      const std::string end = name.extension();
      if (end != ".json" && end != ".admin" && end != ".new") continue;
      if (!is_short_name(name.string().substr(0, kShortName)) || in_use.contains(name.stem())) continue;
      fs::remove(entry.path(), error);
    }
  }

  const Options options_;
  const Descriptor lock_;
  Loop loop_;
  const Surroundings around_;
  std::map<ir::ProxyKey, std::unique_ptr<Supervisor>> supervisors_;  // of the loop's thread
  bool stopping_ = false;                                            // of the loop's thread
  std::function<void()> stopped_;                                    // of the loop's thread
  SharedPorts shared_ports_;                                         // of the loop's thread
  Loop::Timer next_look_;
  std::map<std::uint16_t, bool> awaited_;  // whether somebody listened at the last look; of the loop's thread
  std::function<void(std::uint16_t)> freed_;  // of the loop's thread
  Loop::Timer next_look_at_awaited_;

  mutable std::mutex mutex_;
  std::set<ir::ProxyKey> adopted_;

  std::thread thread_;
};

}  // namespace

std::unique_ptr<Runner> start_runner(const Options& options, std::function<void(Event)> on_event,
                                     Problem* result) {
  Options absolute = options;
  std::error_code error;
  absolute.run_dir = fs::absolute(fs::path(options.run_dir) / "", error).lexically_normal().parent_path();
  const std::string& run_dir = absolute.run_dir;
  if (std::optional<Problem> unusable = prepare_run_dir(run_dir)) {
    *result = *std::move(unusable);
    return nullptr;
  }
  Descriptor lock(::open((run_dir + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) {
    *result =
        problem("value/run-dir", fmt::format("cannot write to `{}`: {}", run_dir, strerrordesc_np(errno)));
    return nullptr;
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    *result = problem("conflict/run-dir", fmt::format("another sluice is running in `{}`", run_dir),
                      "end it, or use another folder");
    return nullptr;
  }
  auto runner = std::make_unique<ThreadedRunner>(std::move(absolute), std::move(on_event), std::move(lock));
  if (std::optional<Problem> unusable = runner->adopt()) {
    *result = *std::move(unusable);
    return nullptr;
  }
  runner->run();
  return runner;
}

}  // namespace sluice::proxy

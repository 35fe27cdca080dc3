#include "picker/module/pools.h"

#include <chrono>
#include <csignal>
#include <future>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "base/quote.h"
#include "picker/exchange/endpoints_file.h"
#include "picker/exchange/pool_metrics.h"
#include "picker/module/envoy_log.h"

namespace sluice::picker {

namespace {

// `sluice run` has a pod leave Envoy's endpoints at once: so late the picker may name it still, and another
// one after it.
constexpr std::chrono::milliseconds kPoolFileInterval{100};

// Nothing, with a problem, where it is no good.
std::optional<PoolContents> read_pool_file(const std::string& path, std::vector<Problem>* problems) {
  if (const std::optional<std::string> text = read_file(path))
    return read_pool_contents(*text, path, problems);
  Problem& problem = problems->emplace_back();
  problem.code = "syntax/unreadable-file";
  problem.where.file = path;
  problem.message = "the file of the pool cannot be read";
  return std::nullopt;
}

}  // namespace

PoolThread::PoolThread() {
  // For servers that are asked by https. OpenSSL is the module's own: it is not to read this machine's
  // configuration, nor to be taken down by exit() while the thread may use it.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  // Signals are for Envoy's threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop_.run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "sluice:picker");
}

PoolThread::~PoolThread() { stop(); }

void PoolThread::run(const std::function<void()>& work) {
  std::promise<void> done;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      work();
      return;
    }
    loop_.post([&] {
      work();
      done.set_value();
    });
  }
  done.get_future().wait();
}

void PoolThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    loop_.post([this] { loop_.quit(); });
    thread_.join();  // whoever has posted before is served before
    stopped_ = true;
  }
}

RunningPool::RunningPool(std::shared_ptr<PoolThread> thread, const PoolSettings& settings)
    : name_(settings.name),
      identity_(settings.identity),
      sources_(settings.options.scrape.sources),
      thread_(std::move(thread)) {
  KeeperOptions options = settings.options;
  options.on_lost = [name = name_](std::string_view address, std::string_view reason) {
    say(envoy::LogLevel::kWarning,
        fmt::format("pool {}: the model server {} is lost: {}", name, address, reason));
  };
  options.on_silent = [name = name_](std::string_view address, std::string_view reason) {
    say(envoy::LogLevel::kWarning,
        fmt::format("pool {}: the model server {} does not say how busy it is, and counts as idle: {}", name,
                    address, reason));
  };
  options.on_ready = [this] {
    for (const auto& callback : std::exchange(ready_callbacks_, {})) callback();
  };
  thread_->run([&] { keeper_ = std::make_unique<PoolKeeper>(thread_->loop(), std::move(options)); });
}

std::shared_ptr<RunningPool> RunningPool::start(std::shared_ptr<PoolThread> thread,
                                                const PoolSettings& settings,
                                                std::vector<Problem>* problems) {
  std::shared_ptr<RunningPool> pool(new RunningPool(std::move(thread), settings));
  if (!pool->set_endpoints(settings, problems)) return nullptr;
  return pool;
}

RunningPool::~RunningPool() {
  thread_->run([this] {
    door_.reset();
    pool_file_.reset();
    keeper_.reset();
  });
}

bool RunningPool::set_endpoints(const PoolSettings& settings, std::vector<Problem>* problems) {
  if (settings.contents) {
    thread_->run([&] { fill(*settings.contents); });
    return true;
  }
  if (!settings.pool_file.empty()) return follow_pool_file(settings.pool_file, problems);
  auto file = std::make_unique<EndpointsFile>(settings.endpoints, settings.endpoints_file);
  const auto endpoints = file->read();
  if (!endpoints) {
    problems->push_back(endpoints.error());
    return false;
  }
  thread_->run([&] {
    keeper_->follow(
        std::move(file), *endpoints,
        [name = name_](std::size_t count) {
          say(envoy::LogLevel::kInfo, fmt::format("pool {}: {} endpoints", name, count));
        },
        [](const Problem& problem) { say("endpoints", {problem}); });
  });
  return true;
}

bool RunningPool::follow_pool_file(const std::string& path, std::vector<Problem>* problems) {
  auto watch = std::make_unique<FileWatch>(path);
  watch->mark();
  auto contents = read_pool_file(path, problems);
  if (!contents) return false;
  thread_->run([&] {
    fill(*std::move(contents));
    if (pool_file_ == nullptr || pool_file_->path() != path) open_door(path);
    pool_file_ = std::move(watch);
    pool_file_->start(thread_->loop(), kPoolFileInterval, [this] {
      std::vector<Problem> later;
      if (auto now = read_pool_file(pool_file_->path(), &later)) fill(*std::move(now));
      say("a pool", later);
    });
  });
  return true;
}

// By the thread.
void RunningPool::fill(PoolContents contents) {
  say(envoy::LogLevel::kInfo, fmt::format("pool {}: {} endpoints", name_, contents.endpoints.size()));
  Pool& pool = keeper_->pool();
  if (!contents.keep_config) {
    Sources sources = contents.metrics ? sources_with(*std::move(contents.metrics)) : sources_;
    if (contents.config) sources = sources_of(*contents.config, sources);
    keeper_->set_sources(sources);
    pool.set_profile(contents.config ? std::move(contents.config->profile) : pool.options().profile);
  }
  pool.set_rules(std::move(contents.rules));
  read_responses_ = contents.read_responses;
  keeper_->set_endpoints(contents.endpoints);
}

// By the thread.
void RunningPool::open_door(const std::string& path) {
  std::string problem;
  door_ = MetricsDoor::open(
      thread_->loop(), fmt::format("{}.{}", path, ::getpid()),
      [this] {
        const PoolReading reading{name_, keeper_->pool(), keeper_->servers()};
        return metrics_page({&reading, 1});
      },
      &problem);
  if (door_ == nullptr) {
    say(envoy::LogLevel::kWarning,
        fmt::format("pool {}: nobody can ask for its metrics: {}", name_, problem));
  }
}

void RunningPool::when_ready(std::function<void()> callback) {
  thread_->run([&] {
    if (keeper_->ready()) {
      callback();
    } else {
      ready_callbacks_.push_back(std::move(callback));
    }
  });
}

std::vector<Scraper::Server> RunningPool::servers() {
  std::vector<Scraper::Server> servers;
  thread_->run([&] { servers = keeper_->servers(); });
  return servers;
}

Pools& Pools::instance() {
  static Pools pools;
  return pools;
}

std::shared_ptr<RunningPool> Pools::get(const PoolSettings& settings, std::vector<Problem>* problems) {
  const std::lock_guard lock(mutex_);
  std::erase_if(pools_, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<RunningPool> running;
  if (const auto found = pools_.find(settings.name); found != pools_.end()) running = found->second.lock();
  if (settings.is_reference) {
    if (running == nullptr) {
      Problem& problem = problems->emplace_back();
      problem.code = "reference/pool";
      problem.path = "pool";
      problem.message = fmt::format("there is no pool {}", quote(settings.name));
      problem.suggestion = "write its `endpoints`, or name it in the bootstrap extension's `pools`";
    }
    return running;
  }
  if (running != nullptr && running->identity() == settings.identity) {
    if (!running->set_endpoints(settings, problems)) return nullptr;
    return running;
  }
  std::shared_ptr<PoolThread> thread = thread_.lock();
  if (thread == nullptr) thread_ = thread = std::make_shared<PoolThread>();
  std::shared_ptr<RunningPool> pool = RunningPool::start(std::move(thread), settings, problems);
  if (pool != nullptr) pools_[settings.name] = pool;
  return pool;
}

std::string Pools::metrics() {
  std::vector<std::shared_ptr<RunningPool>> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, weak] : pools_) {
      if (auto pool = weak.lock()) running.push_back(std::move(pool));
    }
  }
  std::vector<PoolReading> readings;
  readings.reserve(running.size());
  for (const auto& pool : running) readings.push_back({pool->name(), pool->pool(), pool->servers()});
  return metrics_page(readings);
}

void Pools::stop() {
  std::shared_ptr<PoolThread> thread;
  {
    const std::lock_guard lock(mutex_);
    thread = thread_.lock();
  }
  if (thread != nullptr) thread->stop();
}

}  // namespace sluice::picker

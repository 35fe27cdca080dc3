#include "wasm/store.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/sigpipe.h"
#include "wasm/cache.h"

namespace sluice::wasm {
namespace {

using std::chrono::milliseconds;

// What a fetch comes to; null is a module that has not changed.
using Outcome = Result<std::optional<CachedModule>>;

Outcome fetch_into(Cache& cache, const Source& source, const std::string& key,
                   const std::string& known_revision, const FetchLimits& limits,
                   const std::stop_token& stop) {
  auto fetched = fetch(source, known_revision, cache.folder(), limits, stop);
  if (!fetched) return std::unexpected(fetched.error());
  if (!fetched->module) return std::nullopt;
  return cache.put(key, artifact_of(source), std::move(*fetched->module), fetched->revision);
}

class StoreOnLoop final : public Store {
 public:
  StoreOnLoop(Loop& loop, StoreSettings settings, std::unique_ptr<Cache> cache,
              std::function<void(const Source&)> on_change)
      : loop_(loop),
        settings_(std::move(settings)),
        cache_(std::move(cache)),
        on_change_(std::move(on_change)) {}

  ~StoreOnLoop() override {
    for (auto& [id, job] : jobs_) job.thread.request_stop();
    jobs_.clear();  // joins
  }

  void want(std::vector<Source> sources) override;
  void want_also(Source source) override;
  State state(const Source& source) const override {
    const auto item = items_.find(key_of(source));
    return item == items_.end() ? State(Pending{}) : item->second.state;
  }

 private:
  using JobId = std::uint64_t;

  // A wanted source.
  struct Item {
    Source source;
    bool moves = false;
    State state;
    std::string revision;      // of what is Ready
    unsigned failures = 0;     // since the last success
    JobId job = 0;             // that fetches it, or 0
    std::uint64_t queued = 0;  // since when it waits for a job, or 0
    Loop::Timer timer;         // until it is queued again
  };
  struct Job {
    std::string key;
    std::jthread thread;
  };

  void begin(const std::string& key, Item& item);
  void queue(Item& item);
  void start_jobs();
  void start(const std::string& key, Item& item);
  void on_outcome(JobId id, Outcome outcome);
  void succeeded(Item& item, std::optional<CachedModule> module);
  void failed(const std::string& key, Item& item, Failure failure);
  void queue_after(const std::string& key, Item& item, milliseconds delay);
  milliseconds jittered(milliseconds delay);

  Loop& loop_;
  const StoreSettings settings_;
  const std::unique_ptr<Cache> cache_;
  const std::function<void(const Source&)> on_change_;
  std::mt19937_64 random_{std::random_device{}()};

  std::map<std::string, Item> items_;  // by key
  std::uint64_t next_ = 1;             // job or place in the queue
  // Tells work that was posted whether there still is a store.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // At work, or done and not yet joined; also those that nobody wants any more. Goes first: threads use the
  // rest.
  std::map<JobId, Job> jobs_;
};

void StoreOnLoop::want(std::vector<Source> sources) {
  std::map<std::string, Item> previous = std::exchange(items_, {});
  std::set<std::string> keys;
  for (Source& source : sources) {
    std::string key = key_of(source);
    const bool moves = may_move(source);
    keys.insert(key);
    if (const auto same = items_.find(key); same != items_.end()) {
      same->second.moves |= moves;
      continue;
    }
    Item& item = items_[key];
    if (auto kept = previous.extract(key)) {
      item = std::move(kept.mapped());
    } else {
      item.source = std::move(source);
    }
    item.moves = moves;
  }
  cache_->set_wanted(std::move(keys));
  for (auto& [key, item] : previous) {
    if (const auto job = jobs_.find(item.job); job != jobs_.end()) job->second.thread.request_stop();
  }
  for (auto& [key, item] : items_) begin(key, item);
  start_jobs();
}

void StoreOnLoop::want_also(Source source) {
  const std::string key = key_of(source);
  const bool moves = may_move(source);
  const auto [at, is_new] = items_.try_emplace(key);
  Item& item = at->second;
  if (is_new) item.source = std::move(source);
  item.moves |= moves;
  cache_->add_wanted(key);
  begin(key, item);
  if (item.queued != 0) start_jobs();
}

// What is to be done for it: nothing where that is under way.
void StoreOnLoop::begin(const std::string& key, Item& item) {
  const bool at_rest = item.job == 0 && item.queued == 0 && !item.timer.pending();
  if (!at_rest || std::holds_alternative<Failed>(item.state)) return;
  if (std::holds_alternative<Pending>(item.state)) {
    if (auto module = cache_->find(key)) {
      item.state = Ready{.path = module->path, .sha256 = module->sha256};
      item.revision = module->revision;
    } else if (auto valid = check(item.source); !valid) {
      item.state = Failed{.failure = valid.error()};
      return;
    }
  }
  if (item.moves || std::holds_alternative<Pending>(item.state)) queue(item);
}

void StoreOnLoop::queue(Item& item) {
  item.timer.reset();
  item.queued = next_++;
}

void StoreOnLoop::start_jobs() {
  while (jobs_.size() < settings_.max_fetches) {
    auto first = items_.end();
    const auto place = [](const Item& item) { return std::pair(item.failures, item.queued); };
    for (auto item = items_.begin(); item != items_.end(); ++item) {
      if (item->second.queued == 0) continue;
      if (first == items_.end() || place(item->second) < place(first->second)) first = item;
    }
    if (first == items_.end()) return;
    start(first->first, first->second);
  }
}

void StoreOnLoop::start(const std::string& key, Item& item) {
  item.queued = 0;
  item.job = next_++;
  auto work = [this, id = item.job, key, source = item.source, revision = item.revision,
               alive = std::weak_ptr(alive_)](const std::stop_token& stop) {
    block_sigpipe();
    auto outcome =
        std::make_shared<Outcome>(fetch_into(*cache_, source, key, revision, settings_.limits, stop));
    loop_.post([this, id, alive, outcome] {
      if (!alive.expired()) on_outcome(id, std::move(*outcome));
    });
  };
  jobs_.emplace(item.job, Job{.key = key, .thread = std::jthread(std::move(work))});
}

void StoreOnLoop::on_outcome(JobId id, Outcome outcome) {
  const auto job = jobs_.find(id);
  const std::string key = std::move(job->second.key);
  jobs_.erase(job);
  const auto found = items_.find(key);
  // A job that was cancelled may have a successor with the same key.
  if (found != items_.end() && found->second.job == id) {
    Item& item = found->second;
    item.job = 0;
    const State before = item.state;
    if (outcome) {
      succeeded(item, std::move(*outcome));
      if (item.moves) queue_after(key, item, jittered(settings_.look_again));
    } else {
      failed(key, item, std::move(outcome.error()));
    }
    const auto* was = std::get_if<Failed>(&before);
    const auto* is = std::get_if<Failed>(&item.state);
    const bool same = was != nullptr && is != nullptr ? was->failure == is->failure : before == item.state;
    start_jobs();
    if (!same) {
      const Source source = item.source;  // the callback may end the item
      on_change_(source);
    }
    return;
  }
  start_jobs();
}

void StoreOnLoop::succeeded(Item& item, std::optional<CachedModule> module) {
  item.failures = 0;
  if (module) {
    item.revision = module->revision;
    item.state = Ready{.path = std::move(module->path), .sha256 = std::move(module->sha256)};
  } else if (auto* ready = std::get_if<Ready>(&item.state)) {
    ready->warning.clear();
  }
}

void StoreOnLoop::failed(const std::string& key, Item& item, Failure failure) {
  const milliseconds most = settings_.max_retry;
  milliseconds delay = settings_.first_retry;
  for (unsigned i = 0; i < item.failures && delay < most; ++i) delay *= 2;
  delay = jittered(std::min(delay, most));
  ++item.failures;
  auto* ready = std::get_if<Ready>(&item.state);
  const bool final = failure.reason == Reason::kInvalidSource;
  if (ready != nullptr) {
    ready->warning = std::move(failure.message);
  } else if (final) {
    item.state = Failed{.failure = std::move(failure)};
  } else {
    item.state = Failed{.failure = std::move(failure), .retry_at = std::chrono::system_clock::now() + delay};
  }
  if (!final) queue_after(key, item, delay);
}

void StoreOnLoop::queue_after(const std::string& key, Item& item, milliseconds delay) {
  item.timer = loop_.after(delay, [this, key] {
    Item& due = items_.at(key);
    // One that does not move any more, since a want() in between.
    if (!due.moves && std::holds_alternative<Ready>(due.state)) return;
    queue(due);
    start_jobs();
  });
}

// From half of it to all of it, so that those who failed together do not come back together.
milliseconds StoreOnLoop::jittered(milliseconds delay) {
  return milliseconds(
      std::uniform_int_distribution<milliseconds::rep>(delay.count() / 2, delay.count())(random_));
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(Loop& loop, StoreSettings settings,
                                          std::function<void(const Source&)> on_change) {
  auto cache = Cache::open(settings.cache);
  if (!cache) return std::unexpected(cache.error());
  return std::make_unique<StoreOnLoop>(loop, std::move(settings), std::move(*cache), std::move(on_change));
}

}  // namespace sluice::wasm

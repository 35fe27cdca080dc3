// Sees what happens, and tells those who ask: metrics, health, readiness, the admin page.
//
// The control thread, and ADS, tell it what happens; each call is short. Whoever asks is answered on the
// admin server's thread: from what the observer has been told, under a lock that is held for copies only, and
// where a whole commit is wanted, from a Snapshot that the control thread hands out when it gets to it. So
// nobody who asks can hold up the control thread, and /healthz can tell that it hangs.
//
// Threads: what each method says; those without a word, any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/server.h"
#include "ads/server.h"
#include "base/problem.h"
#include "flow/node.h"
#include "observe/fleet.h"
#include "observe/health.h"
#include "observe/metrics.h"
#include "observe/snapshot.h"
#include "proxy/proxy.h"

namespace sluice::observe {

// The control thread hangs where it has been at one thing for longer.
inline constexpr std::chrono::seconds kHangs{30};

class Observer {
 public:
  // Called on the control thread, sooner or later.
  using Take = std::function<void(std::shared_ptr<const Snapshot>)>;
  struct Ways {
    std::function<void(Take)> snapshot;    // asks the control thread for one; must not block
    std::function<void(Problem&)> locate;  // fills in where a problem is; from any thread
    HealthWatch::Ask ask_envoy;
    // Asked for more of the page for Prometheus, of families that are not ours, with the proxies that there
    // are; on the admin server's thread. It calls back once, from whatever thread. Null: there is no more.
    using More = std::function<void(std::string)>;
    std::function<void(const std::vector<ir::ProxyKey>& proxies, More)> more_metrics = nullptr;
  };

  explicit Observer(Ways ways) : ways_(std::move(ways)), health_(ways_.ask_envoy) {}

  // Readiness does not wait for Envoys: they are where they cannot be served by who is not ready.
  void wait_for_nobody() { waits_ = false; }

  // ---- told by the control thread ----
  void busy(Time now) { busy_since_ = now.time_since_epoch().count(); }
  void idle() { busy_since_ = 0; }
  // A batch of the source; `noticed` is when the first of its changes was seen.
  void read(std::size_t upserted, std::size_t deleted, Time noticed);
  void committed(std::uint64_t commit, const flow::CommitStats& stats, std::chrono::microseconds cpu);
  void objects(std::vector<std::pair<GroupKind, std::size_t>> by_kind);
  void added(const ir::ProxyKey& proxy, std::vector<std::uint16_t> ports);
  void removed(const ir::ProxyKey& proxy);
  // The commit changes something for the proxies. What has been read since the last call is in it.
  void served(std::uint64_t commit, const std::vector<ir::ProxyKey>& proxies, Time now);
  void happened(const ads::Event& event, Time now);
  void happened(const proxy::Event& event);
  // An object was held back because a proxy refused what comes of it; so many are now.
  void held_back(const ObjectKey& object) { metrics_.held_back(object); }
  void held_back(std::size_t objects);
  // What has come and what has gone.
  void problems(const std::vector<Problem>& added, const std::vector<Problem>& removed);
  // When the first of the certificates that are shown runs out, in seconds of Unix time; nothing: there is
  // none.
  void certificates(std::optional<std::int64_t> nearest_expiry);
  // From now on it is not ready: the Envoys drain.
  void stopping() { stopping_ = true; }

  // ---- told by ADS ----
  void sent(const ads::Sent& response) { metrics_.sent(response); }

  // ---- asked, on one thread: what the admin server answers, by path ----
  std::map<std::string, admin::Handler, std::less<>> handlers();
  // Of these, metrics and health, on any thread.
  std::map<std::string, admin::Handler, std::less<>> health_handlers();

 private:
  admin::Response healthz() const;
  admin::Response readyz(bool verbose) const;
  void metrics(const admin::Respond& respond) const;
  void page_state(const admin::Request& request, const admin::Respond& respond);
  // The snapshot with the places of its problems.
  Snapshot located(const Snapshot& snapshot);
  Now look(Time now) const;
  std::vector<std::string> lacks(std::uint64_t commit, const std::vector<Fleet::Proxy>& proxies,
                                 Time now) const;

  const Ways ways_;
  Metrics metrics_;
  // Of the admin server's thread:
  HealthWatch health_;
  std::shared_ptr<const std::vector<Problem>> problems_given_;   // the last ones,
  std::shared_ptr<const std::vector<Problem>> problems_placed_;  // and with their places,
  std::uint64_t problems_commit_ = 0;                            // as of this commit
  std::atomic<Time::rep> busy_since_ = 0;                        // 0: idle
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> waits_ = true;

  mutable std::mutex mutex_;  // guards what follows
  std::uint64_t commit_ = 0;
  std::optional<Time> noticed_;  // the first change that has been read and not committed
  Fleet fleet_;
  std::vector<std::pair<GroupKind, std::size_t>> objects_;
  std::vector<std::pair<std::string_view, std::size_t>> rows_;  // by table; names live as long as the graph
  std::map<std::pair<Severity, std::string>, std::size_t> problems_;
  std::size_t held_back_ = 0;
  std::optional<std::int64_t> nearest_expiry_;
};

}  // namespace sluice::observe

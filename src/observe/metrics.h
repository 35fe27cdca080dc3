// What Prometheus is told. docs/observability.md says what each metric is for; a test holds that the two
// agree.
//
// Counters and histograms are counted as things happen. Gauges are made when somebody asks, from a Now.
//
// Nothing here can grow without bounds: objects that proxies refuse are counted by name for the first
// kMostObjects of them, and together from there on.
//
// Threads: any; committed() from one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ads/server.h"
#include "base/problem.h"
#include "flow/node.h"
#include "observe/fleet.h"

namespace sluice::observe {

inline constexpr std::size_t kMostObjects = 200;

// What gauges are made of.
struct Now {
  Time time;
  bool ready = false;
  std::chrono::steady_clock::duration busy{};                        // the control thread, with what it is at
  std::vector<std::pair<GroupKind, std::size_t>> objects;            // by kind
  std::vector<std::pair<std::string_view, std::size_t>> rows;        // by table
  std::map<std::pair<Severity, std::string>, std::size_t> problems;  // by severity and code
  std::size_t held_back = 0;                                         // objects
  std::optional<std::int64_t> nearest_expiry;                        // of certificates, in Unix time
  std::vector<Fleet::Proxy> proxies;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The source has brought a batch.
  void read(std::size_t upserted, std::size_t deleted);
  void committed(const flow::CommitStats& stats, std::chrono::microseconds cpu);
  // A change has arrived at a proxy.
  void arrived(std::chrono::steady_clock::duration after);
  void sent(const ads::Sent& response);
  void rejected(const ads::Rejected& rejected);
  // An object was held back, because a proxy refused what comes of it.
  void held_back(const ObjectKey& object);

  // The exposition format, with the process's own numbers.
  std::string text(const Now& now) const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// All that text() may name, sorted.
std::vector<std::string_view> metric_names();

}  // namespace sluice::observe

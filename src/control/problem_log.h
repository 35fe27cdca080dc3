// Tells of each problem once: when it has come, and when it is gone.
//
// Problems come from several sides (the source, translation, proxies), each of which says what it adds and
// what it takes back. A problem that more than one of them has, or that a commit takes back and adds again,
// is one problem all the while.
//
// A cluster's objects come one after the other, so much is wrong for a moment: a route is there before its
// Service, EndpointSlices outlive theirs. With `patience` a problem is told when it has been there for so
// long, and one that is gone before that never; all() has it at once.
//
// Threads: one at a time. Knows no clock: time goes in.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/problem.h"

namespace sluice::control {

// A problem as fields of a log line; without those that it has not, as a place or an object.
nlohmann::ordered_json log_fields(const Problem& problem);

class ProblemLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit ProblemLog(std::chrono::milliseconds patience = {}) : patience_(patience) {}

  void add(const Problem& problem);
  void remove(const Problem& problem);
  template <typename Problems>
  void add_all(const Problems& problems) {
    for (const Problem& problem : problems) add(problem);
  }
  template <typename Problems>
  void remove_all(const Problems& problems) {
    for (const Problem& problem : problems) remove(problem);
  }

  // Whether all() may be another since the last call of take().
  bool is_touched() const { return !touched_.empty(); }

  // What is to be told of what has come and gone since the last call, each sorted.
  struct News {
    std::vector<Problem> added;
    std::vector<Problem> removed;

    bool empty() const { return added.empty() && removed.empty(); }
  };
  News take(Time now);
  // When there will be news, if nothing happens before.
  std::optional<Time> wake_at() const;

  // Takes the news and logs it. `locate` fills in problem.where of those that came without a place.
  News report(const std::function<void(Problem&)>& locate, Time now);

  // All that are there, as they were added.
  std::vector<Problem> all() const;

 private:
  struct Entry {
    int count = 0;
    bool told = false;
    std::optional<Time> since;  // it is there, as take() has seen it
  };
  using Problems = std::map<Problem, Entry>;
  using Waiting = std::set<std::pair<Time, const Problem*>>;

  const std::chrono::milliseconds patience_;
  Problems problems_;
  std::set<Problem> touched_;
  Waiting waiting_;  // those that are there and not told, by since
};

}  // namespace sluice::control

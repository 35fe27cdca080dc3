// Tells of each problem once: when it comes, and when it is gone.
//
// Problems come from several sides (the source, translation, proxies), each of which says what it adds and
// what it takes back. A problem that more than one of them has, or that a commit takes back and adds again,
// is one problem all the while.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/problem.h"

namespace sluice::control {

// A problem as fields of a log line; without those that it has not, as a place or an object.
nlohmann::ordered_json log_fields(const Problem& problem);

class ProblemLog {
 public:
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

  // What has come and what has gone since the last call, each sorted.
  struct News {
    std::vector<Problem> added;
    std::vector<Problem> removed;

    bool empty() const { return added.empty() && removed.empty(); }
  };
  News take();

  // Takes the news and logs it. `locate` fills in problem.where of those that came without a place.
  News report(const std::function<void(Problem&)>& locate);

  // All that are there, as they were added.
  std::vector<Problem> all() const;

 private:
  struct Entry {
    int count = 0;
    bool told = false;
  };
  std::map<Problem, Entry> problems_;
  std::set<Problem> touched_;
};

}  // namespace sluice::control

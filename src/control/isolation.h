// Finds the objects that a proxy refuses, so that each harms only itself.
//
// A proxy answers for whole resources: a route table with a thousand routes is taken or refused as one. What
// the user wrote are objects. Isolation keeps which objects changed since the proxy last said yes (the
// suspects), and when it says no:
//
//   one suspect    it is guilty: refused, until it changes again
//   more           all of them are held back, so that the rest is served at once; then they are let go half
//   by half,
//                  and the half that is refused again is halved again
//
// Held back or guilty, an object is served as its last good version, or hardly at all (translate/refusal.h).
//
// The loop is: changed() after a commit, acknowledged() and rejected() as the proxies answer, and whenever
// take() has orders, they are carried out and the next commit made.
//
// Threads: one at a time. Knows no clock and does no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/object_key.h"
#include "ir/ir.h"

namespace sluice::control {

class Isolation {
 public:
  // What an object brings to these aggregates (names of resources) is new with this commit.
  void changed(std::uint64_t commit, const ObjectKey& object, const std::set<std::string>& aggregates);
  // The object is gone.
  void forget(const ObjectKey& object);

  // A proxy serves these aggregates as of this commit (and all before it), or has refused them (see
  // rejected).
  void acknowledged(const std::set<std::string>& aggregates, std::uint64_t commit);
  // A proxy refused the aggregate as of this commit. Comes before the acknowledgement of that commit.
  void rejected(const std::string& aggregate, std::uint64_t commit, const std::string& message);

  // What to do before the next commit.
  struct Order {
    ObjectKey object;
    bool hold = false;    // true: serve its last good version; false: serve it as it is
    std::string message;  // the proxy's words, of a hold
  };
  std::vector<Order> take();

  // The commit that follows take() carries this number: the trial's outcome is read off its acknowledgement.
  void trial_committed(std::uint64_t commit);

  // True where the newest version of the object has been acknowledged everywhere.
  bool good(const ObjectKey& object) const { return !pending_.contains(object); }
  // The objects of which that has become so since the last call.
  std::vector<ObjectKey> take_good();

 private:
  struct Pending {
    std::uint64_t commit = 0;
    std::set<std::string> aggregates;  // that have not said yes yet
  };
  struct Hunt {
    std::string message;
    std::vector<std::vector<ObjectKey>> groups;  // still to try, the last first
    std::vector<ObjectKey> trial;                // let go, and not answered yet
    std::optional<std::uint64_t> commit;         // in which the trial goes out
  };

  void hold(Hunt& hunt, std::vector<ObjectKey> objects);
  void next_trial(Hunt& hunt);
  bool on_trial(const ObjectKey& object) const;

  std::map<ObjectKey, Pending> pending_;
  std::set<ObjectKey> held_;           // suspects that wait for their trial, and the guilty
  std::map<std::string, Hunt> hunts_;  // by aggregate
  std::vector<Order> orders_;
  std::vector<ObjectKey> good_;
};

}  // namespace sluice::control

// Finds the objects that a proxy refuses, so that each harms only itself.
//
// A proxy answers for whole resources: a route table with a thousand routes is taken or refused as one. What
// the user wrote are objects. Isolation keeps which objects changed since the proxy last said yes (the
// suspects), and when it says no:
//
//   one suspect    it is guilty: refused, until it changes again
//   more           those of whom most speaks for it are held back: whose own version is new, and of these
//   those
//                  to whom the proxy's words point; else all. When the proxy takes the rest, which is served
//                  from then on, one of them is guilty at least, and they are let go half by half: the
//                  largest group first, for most wait there. Of a group that is refused one half is tried; if
//                  it is taken, the other is guilty without trial
//
// Some objects carry others: without a Gateway there is no listener, and what is in no listener is not
// refused, which would acquit whoever is at fault. So a carrier is suspect only where nothing else is.
//
// Held back or guilty, an object is served as its last good version, or hardly at all (translate/refusal.h).
//
// That a proxy refuses a set of objects means here that it refuses every larger one too. Where it takes
// neither the rest nor any less, it refuses what has been there before: nobody is to blame, and all are let
// go. Several aggregates are hunted through side by side. An object is in one hunt at most, and what one hunt
// has held back is no proof in another.
//
// The loop is: changed() after a commit, acknowledged() and rejected() as the proxies answer, and whenever
// take() has orders, they are carried out and the next commit made.
//
// Threads: one at a time. Knows no clock and does no I/O.
#pragma once

#include <cstdint>
#include <functional>
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
  // What is known of suspects. Asked only when something is refused.
  struct Clues {
    // The version of the object has been accepted before: it may be new to this proxy only because we are.
    std::function<bool(const ObjectKey&)> known_good;
    // Those of the objects to which a refusal's words point; none where they tell nothing.
    std::function<std::vector<ObjectKey>(const std::vector<ObjectKey>&, const std::string& message)> named;
    // What other objects bring is served only where this one is.
    std::function<bool(const ObjectKey&)> carries;
  };

  Isolation() = default;
  explicit Isolation(Clues clues) : clues_(std::move(clues)) {}

  // What an object brings to these aggregates (names of resources) is new with this commit.
  void changed(std::uint64_t commit, const ObjectKey& object, const std::set<std::string>& aggregates);
  // The object is gone.
  void forget(const ObjectKey& object);

  // A proxy serves these aggregates as of this commit (and all before it), or has refused them (see
  // rejected).
  void acknowledged(const std::set<std::string>& aggregates, std::uint64_t commit);
  // A proxy refused the aggregate as of this commit. Comes before the acknowledgement of that commit. False
  // where that can be no object's doing.
  bool rejected(const std::string& aggregate, std::uint64_t commit, const std::string& message);

  // What to do before the next commit.
  struct Order {
    ObjectKey object;
    bool hold = false;    // true: serve its last good version; false: serve it as it is
    bool guilty = false;  // of a hold: for good; else for the time of the search
    std::string message;  // the proxy's words, of a hold
  };
  // One an object at most.
  std::vector<Order> take();

  // The commit that follows take() carries this number: the trial's outcome is read off its acknowledgement.
  void trial_committed(std::uint64_t commit);

  // True where the newest version of the object has been acknowledged everywhere.
  bool good(const ObjectKey& object) const { return !pending_.contains(object); }
  // The objects of which that has become so since the last call.
  std::vector<ObjectKey> take_good();

 private:
  using Objects = std::vector<ObjectKey>;
  struct Pending {
    std::uint64_t commit = 0;
    std::set<std::string> aggregates;  // that have not said yes yet
  };
  struct Group {
    Objects objects;
    std::uint64_t id = 0;
    std::uint64_t sibling = 0;  // the other half of a guilty group; 0: none, or one of them has changed since
  };
  struct Hunt {
    std::string message;
    Objects accused;            // held back by the last refusal: when the rest is taken, a guilty group
    std::vector<Group> groups;  // held back, still to try
    Group trial;                // let go, and not answered yet
    int refusals = 0;           // without an acknowledgement between
    std::optional<std::uint64_t> commit;  // in which the last orders go out
  };

  // The suspects that are held back first.
  Objects choose(const Objects& suspects, const Hunt& hunt) const;
  void hold(const Hunt& hunt, const Objects& objects, bool guilty = false);
  void let_go(const ObjectKey& object);
  // One of these is guilty at least.
  void narrow(Hunt& hunt, Objects guilty);
  void next_trial(Hunt& hunt);
  // Takes the object out of all hunts (but this one), which then know less.
  void leave_hunts(const ObjectKey& object, const Hunt* but = nullptr);
  bool on_trial(const ObjectKey& object) const;
  // Let go later than in this commit.
  bool freed_after(const ObjectKey& object, std::uint64_t commit) const;

  Clues clues_;
  std::map<ObjectKey, Pending> pending_;
  std::set<ObjectKey> held_;           // suspects that wait for their trial, and the guilty
  std::map<std::string, Hunt> hunts_;  // by aggregate
  std::uint64_t ids_ = 0;              // of groups
  std::map<ObjectKey, Order> orders_;
  std::uint64_t last_hold_ = 0;  // the commit that carries the last holds
  Objects good_;
};

}  // namespace sluice::control

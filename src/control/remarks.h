// What objects of a cluster say in vain: warnings that are told while the object is ours.
//
// A cluster may have several controllers, each with routes and policies of its own, and nobody wants to hear
// of one what another lacks. An object is ours when it has got a status of ours: a route a parent, a policy
// an ancestor, others a condition. Kinds without statuses are everybody's.
//
// Threads: one at a time.
#pragma once

#include <map>
#include <vector>

#include "base/object_key.h"
#include "base/problem.h"
#include "control/pipeline.h"
#include "control/problem_log.h"

namespace sluice::control {

class Remarks {
 public:
  Remarks(const Pipeline& pipeline, ProblemLog& log) : pipeline_(pipeline), log_(log) {}

  // Of one object, all of them. Whether they are others than before.
  bool set(const ObjectKey& object, std::vector<Problem> problems);
  // To be called after each commit.
  void committed();

 private:
  struct Entry {
    std::vector<Problem> problems;
    bool told = false;  // they are in the log
  };

  bool is_ours(const ObjectKey& object) const;

  const Pipeline& pipeline_;
  ProblemLog& log_;
  std::map<ObjectKey, Entry> entries_;
};

}  // namespace sluice::control

// Where resources come from. A source reads, checks and binds on its own threads and posts what changed; the
// control loop drains it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/kinds.h"
#include "base/problem.h"

namespace sluice::source {

// What changed since the last batch. An object is in upserted or in deleted, not in both; both are sorted by
// key.
struct Batch {
  std::vector<api::BoundObject> upserted;
  std::vector<ObjectKey> deleted;
  // The problems of all that the source reads now, whole, sorted by place; not only of what changed.
  std::vector<Problem> problems;
  // Some of what the source is to read cannot be seen now, which is among the problems: objects that it never
  // handed out may be there all the same.
  bool partial = false;
  // Of objects in upserted, that may be nobody's whom we serve: warnings that are told while they are ours
  // (control/remarks.h). Those that are not here have none, or have them among the problems.
  std::map<ObjectKey, std::vector<Problem>> remarks;
  // When the first of the changes was noticed.
  std::chrono::steady_clock::time_point noticed = std::chrono::steady_clock::now();
};

class Source {
 public:
  virtual ~Source() = default;  // stops; no batch arrives after it returns

  // Fills in problem.where from problem.object and problem.path, as far as the source knows them: the field,
  // or the nearest parent of it that is in the text, or the object's first line. So for each of
  // problem.also. Any thread.
  virtual void locate(Problem& problem) const = 0;
};

// The order that people read in: by file, line and column, what has no file last; then the rest of the
// problem.
void sort_by_place(std::vector<Problem>& problems);

}  // namespace sluice::source

// The versions of objects that proxies refused, across restarts: a file, so that the next sluice serves the
// last good versions from the start and asks no proxy to refuse the same again. Those that are only held back
// as long as the guilty are searched are not in the file: the next sluice searches anew.
//
// What save() has written is there after a crash of the machine too (base/file.h): the journal of good
// versions may have lost the version that is served in place of a refused one. It waits for the disk, when
// a proxy has refused an object or takes it again.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "control/pipeline.h"

namespace sluice::control {

using Refusals = std::map<ObjectKey, std::shared_ptr<const Refusal>>;

// Those of the guilty, as a JSON list. Where it would have more than `longest` bytes it goes without last good
// versions, and then without the last objects.
std::string write_refusals(const Refusals& refusals, std::size_t longest = SIZE_MAX);
// Leaves out what another version of us wrote. `file` is for positions that nobody sees.
Refusals read_refusals(std::string_view text, const std::string& file);

class RefusalMemory {
 public:
  using Refusals = control::Refusals;

  // Reads the file. One that is missing, or that another version wrote, remembers nothing.
  explicit RefusalMemory(std::string file);

  const Refusals& refusals() const { return refusals_; }

  // Null forgets.
  void set(const ObjectKey& object, std::shared_ptr<const Refusal> refusal);

  // True where this very version is refused.
  bool holds(const ObjectKey& key, const api::Object& object) const;

  // Writes the file, atomically, if anything is new since the last time. A failure is logged: what is served
  // does not depend on it.
  void save();

 private:
  std::string file_;
  Refusals refusals_;
  bool changed_ = false;
};

}  // namespace sluice::control

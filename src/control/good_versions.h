// The versions of objects that every proxy has accepted, across restarts: what is served in place of a
// version that a proxy refuses, and what tells the next sluice which objects are new to the proxies.
//
// They are kept in a journal (base/journal.h) of which the keys are "<group> <kind> <namespace> <name>", with
// "-" for an empty group or namespace, and the values JSON. Secrets are never in it. What a crash of the
// machine takes costs a search more (control/isolation.h), and a refused object may have no version to fall
// back to.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "api/kinds.h"
#include "base/journal.h"

namespace sluice::control {

class GoodVersions {
 public:
  // What cannot be written, for the disk is full or there is no file, lasts as long as the process.
  explicit GoodVersions(std::string file);

  // The last good version of an object.
  std::optional<api::Object> find(const ObjectKey& key) const;
  // True where it is equal to this one.
  bool holds(const ObjectKey& key, const api::Object& object) const;

  void set(const ObjectKey& key, const api::Object& object);
  void erase(const ObjectKey& key);
  // Erases all but those.
  void keep_only(const std::function<bool(const ObjectKey&)>& wanted);

  // Writes some of what is new since the last call, so that no call takes long. True: there is more, and it
  // can be written now.
  bool save();

 private:
  Journal journal_;
  // What the journal does not say yet; absent: the object is gone.
  std::map<ObjectKey, std::optional<api::Object>> unsaved_;
};

}  // namespace sluice::control

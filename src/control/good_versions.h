// The versions of objects that every proxy has accepted, across restarts: what is served in place of a
// version that a proxy refuses, and what tells the next sluice which objects are new to the proxies.
//
// They are kept in a journal, a file with a line a version; of several lines of an object the last one
// counts:
//
//   <hash of the rest> <group> <kind> <namespace> <name> <the object as JSON; absent: it is gone>
//
// ("-" for an empty group or namespace). A line whose hash is not that of its rest was torn by a crash, and
// does not count. When most of the file is overtaken it is written anew, so it is never much more than twice
// as long as the versions that count. Only its owner may read it, and Secrets are never in it.
//
// Lines are not forced to the disk, for they come with every change. A crash of sluice takes none of them;
// one of the machine may take those of the last half minute, of which an older line counts then, or none: a
// search more (control/isolation.h), and a refused object may have no version to fall back to. What is
// written anew is (base/file.h), so a crash never takes the older lines.
//
// In memory there is an index; a version is read from the file when it is needed.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "api/kinds.h"
#include "base/descriptor.h"

namespace sluice::control {

class GoodVersions {
 public:
  // Reads the file. One that cannot be read or written remembers nothing; that is logged.
  explicit GoodVersions(std::string file);

  // The last good version of an object.
  std::optional<api::Object> find(const ObjectKey& key) const;
  // True where it is equal to this one.
  bool holds(const ObjectKey& key, const api::Object& object) const;

  void set(const ObjectKey& key, const api::Object& object);
  void erase(const ObjectKey& key);
  // Erases all but those.
  void keep_only(const std::function<bool(const ObjectKey&)>& wanted);

  // Writes some of what is new since the last call, so that no call takes long. True: there is more.
  bool save();

 private:
  struct Entry {
    std::optional<api::Object> object;  // absent: read the file
    std::uint64_t hash = 0;             // of its line; 0: it has none yet
    std::uint64_t offset = 0;           // of its line in the file
    std::uint32_t size = 0;             // of its line, with the end
  };

  void read();
  void take_line(std::string_view line, std::uint64_t offset);
  std::string read_line(const Entry& entry) const;
  bool append(const std::string& lines);
  void rewrite();
  void give_up(const std::string& error);

  const std::string file_;
  Descriptor descriptor_;  // none: nothing is written
  std::map<ObjectKey, Entry> entries_;
  std::set<ObjectKey> unsaved_;  // their last lines are not what entries_ says
  std::uint64_t size_ = 0;       // of the file
  std::uint64_t live_ = 0;       // of the lines that count
};

}  // namespace sluice::control

// The last text without errors of each file, across restarts: what stands in at the start for what a file
// does not show, because it has errors now, or cannot be seen.
//
// Kept in a journal (base/journal.h) by the names that the paths give files, which is for `run` alone. A text
// with a Secret is not remembered: it stays in the user's own file and nowhere else. There is no second copy
// of the texts in memory.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/journal.h"
#include "source/load.h"

namespace sluice::source {

class LastGood {
 public:
  explicit LastGood(std::string journal) : journal_(std::move(journal)) {}

  // True for a text that was read, and in which nothing is an error.
  static bool is_good(const LoadedFile& loaded);
  // True for a text that must not be remembered.
  static bool has_secret(const LoadedFile& loaded);

  // The files of which there is a text.
  std::vector<std::string> files() const;
  // A file as if it had its last good text; nothing when it never had one.
  std::optional<LoadedFile> load(const std::string& file) const;

  // False where it cannot be written now.
  bool set(const std::string& file, const std::string& text) { return journal_.set(file, text); }
  bool erase(const std::string& file) { return journal_.erase(file); }
  // Whether anything can be remembered at all.
  bool is_kept() const { return journal_.is_kept(); }
  // Erases all but those.
  void keep_only(const std::function<bool(const std::string& file)>& wanted) { journal_.keep_only(wanted); }

 private:
  Journal journal_;
};

}  // namespace sluice::source

// A map from texts to texts in a file, across restarts. Keys and values are any bytes; only the file's owner
// may read them.
//
// The file is a journal with a line a change; of several lines of a key the last one counts:
//
//   <hash of the rest> <key><tab><value>
//   <hash of the rest> <key>                it is gone
//
// (a backslash, a tab and the end of a line are written as \\, \t and \n). A line whose hash is not that of
// its rest was torn by a crash, and does not count. When most of the file is overtaken it is written anew, so
// it is never much more than twice as long as the lines that count.
//
// Lines are not forced to the disk, for they may come often. A crash of the process takes none of them; one
// of the machine may take those of the last half minute, of which an older line counts then, or none. What is
// written anew is (base/file.h), so a crash never takes the older lines.
//
// In memory there are the keys; a value is read from the file when it is asked for.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace sluice {

class Journal {
 public:
  // Reads the file, or makes it. Where it cannot be read the journal is empty and stays so, and the file as
  // it is; that is logged.
  explicit Journal(std::string file);

  bool is_kept() const { return static_cast<bool>(descriptor_); }

  std::optional<std::string> find(std::string_view key) const;
  bool contains(std::string_view key) const { return lines_.contains(key); }
  // True where find(key) == value; from memory.
  bool holds(std::string_view key, std::string_view value) const;

  // True when it is so from now on; what says nothing new is not written. False where it cannot be written,
  // as on a full disk: then everything is as before, and may be tried again. The first of such failures is
  // logged, and the end of them.
  bool set(std::string_view key, std::string_view value);
  bool erase(std::string_view key);
  // Erases all but those, as far as it can be written.
  void keep_only(const std::function<bool(const std::string& key)>& wanted);

  void for_each_key(const std::function<void(const std::string& key)>& visit) const;

 private:
  // The one that counts for a key.
  struct Line {
    std::uint64_t hash = 0;
    std::uint64_t offset = 0;
    std::uint32_t size = 0;  // with its end
  };

  void read();
  void take_line(std::string_view text, std::uint64_t offset);
  std::string read_line(const Line& line) const;
  bool append(std::string_view text);
  void rewrite_if_overtaken();
  void note_failure(const std::string& error);
  void give_up(int error);

  const std::string file_;
  Descriptor descriptor_;  // none: nothing is kept
  std::map<std::string, Line, std::less<>> lines_;
  std::uint64_t size_ = 0;          // of the file
  std::uint64_t live_ = 0;          // of lines_
  bool failing_ = false;            // the last write was in vain
  std::uint64_t rewrite_from_ = 0;  // size_ from which it may be written anew, after that was in vain
};

}  // namespace sluice

// Looks at a file from time to time, and says when it has been written or replaced.
//
// Threads: those of its loop; all may be called before the loop runs, too.
#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/loop.h"

namespace sluice::picker {

class FileWatch {
 public:
  explicit FileWatch(std::string path) : path_(std::move(path)) {}
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  const std::string& path() const { return path_; }
  // To be called before the file is read: later changes are changes of what is read now.
  void mark();
  // Looks every `interval` from now on. `changed` is called where the file is not as it was when it was
  // marked, and marked again before.
  void start(Loop& loop, std::chrono::milliseconds interval, std::function<void()> changed);

 private:
  // What of a file changes when it is written.
  struct Stamp {
    timespec changed{};
    ino_t inode = 0;
    off_t size = 0;
    bool operator==(const Stamp& o) const {
      return changed.tv_sec == o.changed.tv_sec && changed.tv_nsec == o.changed.tv_nsec && inode == o.inode &&
             size == o.size;
    }
  };

  std::optional<Stamp> stamp() const;
  void look();

  const std::string path_;
  std::optional<Stamp> stamp_;  // none: there is no file
  Loop* loop_ = nullptr;
  std::chrono::milliseconds interval_{0};
  Loop::Timer timer_;
  std::function<void()> changed_;
};

}  // namespace sluice::picker

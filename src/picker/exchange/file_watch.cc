#include "picker/exchange/file_watch.h"

#include <utility>

#include <sys/stat.h>

namespace sluice::picker {

void FileWatch::mark() { stamp_ = stamp(); }

void FileWatch::start(Loop& loop, std::chrono::milliseconds interval, std::function<void()> changed) {
  loop_ = &loop;
  interval_ = interval;
  changed_ = std::move(changed);
  timer_ = loop_->after(interval_, [this] { look(); });
}

std::optional<FileWatch::Stamp> FileWatch::stamp() const {
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) return std::nullopt;
  return Stamp{status.st_mtim, status.st_ino, status.st_size};
}

void FileWatch::look() {
  timer_ = loop_->after(interval_, [this] { look(); });
  const std::optional<Stamp> before = std::exchange(stamp_, stamp());
  if (stamp_ != before) changed_();
}

}  // namespace sluice::picker

#include "source/file_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace sluice::source {

namespace {

constexpr std::uint32_t kNames =
    IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// IN_ATTRIB: a file that could not be read may be readable now.
constexpr std::uint32_t kContent = kNames | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;

// File systems on which others write without our kernel's knowing: NFS, SMB, CIFS, 9P, FUSE, Ceph.
constexpr std::array<std::uint32_t, 6> kRemote = {0x6969,     0xFE534D42, 0xFF534D42,
                                                  0x01021997, 0x65735546, 0x00C36400};

std::string join(const std::string& folder, const std::string& name) {
  if (folder == ".") return name;
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

}  // namespace

FileWatch::FileWatch() : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ < 0) poll_reason_ = fmt::format("inotify: {}", std::generic_category().message(errno));
}

FileWatch::~FileWatch() {
  if (fd_ >= 0) close(fd_);
}

void FileWatch::begin_scan() {
  for (auto& [id, folder] : watched_) folder = {};
  if (fd_ >= 0) poll_reason_.clear();
}

void FileWatch::end_scan() {
  std::erase_if(watched_, [this](const auto& folder) {
    if (!folder.second.empty()) return false;
    inotify_rm_watch(fd_, folder.first);
    return true;
  });
}

FileWatch::Watched* FileWatch::watch(const std::string& path, std::uint32_t events) {
  if (fd_ < 0) return nullptr;
  // IN_MASK_ADD: the folder may be watched for something else too.
  const int id = inotify_add_watch(fd_, path.c_str(), events | IN_MASK_ADD | IN_EXCL_UNLINK);
  if (id < 0) {
    // A folder that is gone, or may not be read, is one that nothing is found in: the folder above it tells.
    if (errno == ENOSPC || errno == ENOMEM) {
      poll_reason_ = "the limit fs.inotify.max_user_watches is reached";
    }
    return nullptr;
  }
  struct statfs system;
  if (statfs(path.c_str(), &system) == 0 &&
      std::ranges::find(kRemote, static_cast<std::uint32_t>(system.f_type)) != kRemote.end()) {
    poll_reason_ = fmt::format("{} is on a network file system", path);
  }
  return &watched_[id];
}

void FileWatch::look_up(const std::string& folder, const std::string& name) {
  if (Watched* watched = watch(folder, kNames)) watched->looked_up.insert(name);
}

void FileWatch::list(const std::string& folder) {
  if (Watched* watched = watch(folder, kContent)) watched->listed.insert(folder);
}

void FileWatch::content(const std::string& folder, const std::string& name, const std::string& file) {
  if (Watched* watched = watch(folder, kContent)) watched->content[name].insert(file);
}

void FileWatch::linked(const std::string& file) {
  if (Watched* watched = watch(file, IN_MODIFY | IN_CLOSE_WRITE)) watched->files.insert(file);
}

void FileWatch::drain(Listener& listener) {
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t length = read(fd_, buffer.data(), buffer.size());
    if (length <= 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof(event));
      // The name is filled up with zeros.
      const std::string name =
          event.len == 0 ? std::string() : std::string(buffer.data() + at + sizeof(event));
      at += sizeof(event) + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        listener.on_overflow();
      } else {
        handle(event.wd, event.mask, name, listener);
      }
    }
  }
}

void FileWatch::handle(int watch, std::uint32_t events, const std::string& name, Listener& listener) {
  const auto found = watched_.find(watch);
  if (found == watched_.end()) return;  // watched no longer
  const Watched& folder = found->second;
  const auto change_of = [events](bool another) {
    return another                          ? Change::kReplaced
           : (events & IN_MODIFY) != 0      ? Change::kWritten
           : (events & IN_CLOSE_WRITE) != 0 ? Change::kClosed
                                            : Change::kTouched;
  };
  if (!folder.files.empty()) {
    if ((events & IN_IGNORED) != 0) {
      watched_.erase(found);  // what is under its name now is its folder's business
      return;
    }
    for (const std::string& file : folder.files) listener.on_file(file, change_of(false));
    return;
  }
  if (name.empty()) {
    if ((events & IN_IGNORED) != 0) watched_.erase(found);
    if ((events & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) listener.on_structure();
    return;
  }
  const bool another = (events & (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE)) != 0;
  if (another && folder.looked_up.contains(name)) listener.on_structure();
  if ((events & IN_ISDIR) != 0) {
    if (!folder.listed.empty() && !is_left_out(name)) listener.on_structure();
    return;
  }
  const Change change = change_of(another);
  if (const auto files = folder.content.find(name); files != folder.content.end()) {
    for (const std::string& file : files->second) listener.on_file(file, change);
  }
  for (const std::string& path : folder.listed) listener.on_file(join(path, name), change);
}

}  // namespace sluice::source

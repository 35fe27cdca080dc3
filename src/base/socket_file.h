// The file of a Unix socket, which goes with its owner; but not if another has put its own there since.
//
// Threads: one at a time.
#pragma once

#include <string>
#include <utility>

#include <sys/types.h>

namespace sluice {

class SocketFile {
 public:
  SocketFile() = default;
  // It is there.
  explicit SocketFile(std::string path);
  SocketFile(SocketFile&& other) noexcept
      : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}
  SocketFile& operator=(SocketFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
  }
  ~SocketFile() { remove(); }

  void remove();

 private:
  std::string path_;  // empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice

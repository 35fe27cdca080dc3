#include "base/socket_file.h"

#include <sys/stat.h>
#include <unistd.h>

namespace sluice {

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
  struct stat status{};
  ::stat(path_.c_str(), &status);
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

void SocketFile::remove() {
  const std::string path = std::exchange(path_, {});
  struct stat status{};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) ::unlink(path.c_str());
}

}  // namespace sluice

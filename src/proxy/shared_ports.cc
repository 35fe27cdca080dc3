#include "proxy/shared_ports.h"

#include <optional>
#include <string>
#include <utility>

namespace sluice::proxy {

const std::set<std::uint16_t>& SharedPorts::look(const std::set<std::uint16_t>& ports,
                                                 const std::vector<int>& ours) {
  Sockets now = listening_sockets();
  std::erase_if(now, [&ports](const auto& socket) { return !ports.contains(socket.second.port); });
  if (now == known_ && settled_) return shared_;
  known_ = now;
  for (const int pid : ours) {
    const std::optional open = sockets_of(pid);
    if (!open) now.clear();
    std::erase_if(now, [&open](const auto& socket) { return open->contains(socket.first); });
  }
  std::set<std::string> ours_too;
  for (const auto& [inode, local] : known_) {
    if (!now.contains(inode)) ours_too.insert(local.address);
  }
  std::erase_if(now, [&ours_too](const auto& socket) { return !ours_too.contains(socket.second.address); });
  shared_.clear();
  for (const auto& [inode, local] : now) {
    if (foreign_.contains(inode)) shared_.insert(local.port);
  }
  settled_ = now == foreign_;
  foreign_ = std::move(now);
  return shared_;
}

}  // namespace sluice::proxy

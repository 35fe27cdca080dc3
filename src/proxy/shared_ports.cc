#include "proxy/shared_ports.h"

#include <charconv>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

namespace sluice::proxy {
namespace {

constexpr std::string_view kListening = "0A";  // TCP_LISTEN

}  // namespace

// Of a file like /proc/net/tcp, which has those that listen first.
void SharedPorts::add_listening(const char* file, const std::set<std::uint16_t>& ports, Sockets& listening) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);  // the heads of the columns
  while (std::getline(in, line)) {
    // "sl: address:port address:port state queues timer retransmits uid timeout inode …"
    std::istringstream words(line);
    std::string local;
    std::string state;
    std::string word;
    std::uint64_t inode = 0;
    words >> word >> local >> word >> state;
    if (state != kListening) return;
    for (int i = 0; i < 5; ++i) words >> word;
    words >> inode;
    const std::size_t colon = local.rfind(':');
    std::uint16_t port = 0;
    if (!words || colon == std::string::npos) return;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
    if (ports.contains(port)) listening.emplace(inode, Local{file + (" " + local), port});
  }
}

// Takes out the sockets that the process has open. False where that cannot be seen.
bool SharedPorts::take_out(int pid, Sockets& listening) {
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), &::closedir);
  if (!open) return ::access(fmt::format("/proc/{}", pid).c_str(), F_OK) != 0;  // it has just ended
  while (const dirent* each = ::readdir(open.get())) {
    constexpr std::string_view kSocket = "socket:[";
    char target[64];
    const ssize_t size =
        ::readlink(fmt::format("{}/{}", folder, each->d_name).c_str(), target, sizeof target);
    const std::string_view name(target, size < 0 ? 0 : static_cast<std::size_t>(size));
    if (!name.starts_with(kSocket)) continue;
    std::uint64_t inode = 0;
    std::from_chars(name.data() + kSocket.size(), name.data() + name.size(), inode);
    listening.erase(inode);
  }
  return true;
}

const std::set<std::uint16_t>& SharedPorts::look(const std::set<std::uint16_t>& ports,
                                                 const std::vector<int>& ours) {
  Sockets now;
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) add_listening(file, ports, now);
  if (now == known_ && settled_) return shared_;
  known_ = now;
  for (const int pid : ours) {
    if (!take_out(pid, now)) now.clear();
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

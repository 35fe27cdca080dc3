#include "proxy/listening.h"

#include <charconv>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

namespace sluice::proxy {
namespace {

constexpr std::string_view kListening = "0A";  // TCP_LISTEN

// Of a file like /proc/net/tcp, which has those that listen first.
void add_listening(const char* file, std::map<std::uint64_t, ListeningSocket>& listening) {
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
    listening.emplace(inode, ListeningSocket{file + (" " + local), port});
  }
}

}  // namespace

std::map<std::uint64_t, ListeningSocket> listening_sockets() {
  std::map<std::uint64_t, ListeningSocket> result;
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) add_listening(file, result);
  return result;
}

std::optional<std::map<std::uint64_t, int>> sockets_of(int pid) {
  std::map<std::uint64_t, int> result;
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), &::closedir);
  if (!open) {
    const bool ended = ::access(fmt::format("/proc/{}", pid).c_str(), F_OK) != 0;
    return ended ? std::optional(result) : std::nullopt;
  }
  while (const dirent* each = ::readdir(open.get())) {
    constexpr std::string_view kSocket = "socket:[";
    char target[64];
    const ssize_t size =
        ::readlink(fmt::format("{}/{}", folder, each->d_name).c_str(), target, sizeof target);
    const std::string_view name(target, size < 0 ? 0 : static_cast<std::size_t>(size));
    if (!name.starts_with(kSocket)) continue;
    std::uint64_t inode = 0;
    std::from_chars(name.data() + kSocket.size(), name.data() + name.size(), inode);
    const std::string_view number = each->d_name;
    std::from_chars(number.data(), number.data() + number.size(), result[inode]);
  }
  return result;
}

}  // namespace sluice::proxy

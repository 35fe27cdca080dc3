// The TCP sockets that processes of this network namespace listen on, as /proc tells.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sluice::proxy {

struct ListeningSocket {
  std::string address;  // as the kernel writes it, with the family and the port
  std::uint16_t port = 0;

  bool operator==(const ListeningSocket&) const = default;
};

// By inode.
std::map<std::uint64_t, ListeningSocket> listening_sockets();

// Of the sockets that a process has open: their descriptors there, by inode. None once it has ended; nothing
// where it may not be seen.
std::optional<std::map<std::uint64_t, int>> sockets_of(int pid);

}  // namespace sluice::proxy

// Ports that processes of others listen on beside ours.
//
// Envoys listen with SO_REUSEPORT, so that several of them, and old and new ones, can have a port together.
// So can any other process of the same user: an Envoy of another sluice, or one that nobody looks after.
// Nobody is told, and for each connection the kernel draws.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "proxy/listening.h"

namespace sluice::proxy {

class SharedPorts {
 public:
  // Those of the TCP ports on which one of `ours`, which are pids, and a process that is none of them listen
  // at one address, and did so at the last look: sockets change hands while Envoys come and go. Empty where
  // it cannot be seen what ours have open.
  const std::set<std::uint16_t>& look(const std::set<std::uint16_t>& ports, const std::vector<int>& ours);

 private:
  using Sockets = std::map<std::uint64_t, ListeningSocket>;  // by inode

  Sockets known_;         // all that listened
  Sockets foreign_;       // of these, those of others beside one of ours
  bool settled_ = false;  // another look at the same sockets would find the same
  std::set<std::uint16_t> shared_;
};

}  // namespace sluice::proxy

// Sockets that a process listens on, taken out of service, where others listen at the same addresses, so that
// it can close them without a connection lost.
//
// The kernel spreads the connections of an address over all sockets that listen there (SO_REUSEPORT), and
// resets those that wait in the queue of one when that is closed. So new ones are kept from its queue first:
// a program at the group of sockets (SO_ATTACH_REUSEPORT_CBPF, socket(7)) chooses among the others; and
// should it choose wrongly, a filter (SO_ATTACH_FILTER) leaves the SYN unanswered, so that the client sends
// another one a second later and finds the others. Handshakes under way go on, and the process accepts what
// is in its queues.
//
// An Envoy has as many sockets at an address as it has workers, and a hot restart passes on as many as the
// new one has, the first ones. So before one with fewer workers starts, the program chooses among the first
// ones. There is no filter then: one on a socket that is passed on would be passed on with it.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>

#include "base/descriptor.h"

namespace sluice::proxy {

class RetiringSockets {
 public:
  // Of the sockets of the process, which `pidfd` names as well: those at whose addresses others listen; or,
  // with `kept`, those of all workers but its first ones. Empty where no such ones are. The error says why
  // they cannot be touched: pidfd_getfd(2) asks for the right to trace the process. Then nothing is changed.
  static std::expected<RetiringSockets, std::string> retire(int pid, const Descriptor& pidfd,
                                                            std::uint32_t kept = 0);
  // The sockets of the process take connections again, whoever has taken them out.
  static void undo(int pid, const Descriptor& pidfd);

  RetiringSockets() = default;  // none
  RetiringSockets(RetiringSockets&&) = default;
  RetiringSockets& operator=(RetiringSockets&& other) noexcept;
  // The other sockets share what comes as they did before. Does not undo what is said of the process's own
  // ones.
  ~RetiringSockets();

  bool empty() const { return sockets_.empty(); }
  // Nobody would be refused if the process closed all it listens on.
  bool complete() const { return complete_; }
  // No connection waits in their queues.
  bool queues_are_empty() const;
  // The process has none of them open any more; ours keep them in being.
  bool closed_by_process() const;

 private:
  explicit RetiringSockets(int pid) : pid_(pid) {}

  int pid_ = 0;
  bool complete_ = true;
  std::map<std::uint64_t, Descriptor> sockets_;  // by inode
};

}  // namespace sluice::proxy

#include "proxy/handover.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/listening.h"

namespace sluice::proxy {
namespace {

Descriptor take_descriptor(const Descriptor& pidfd, int number) {
  return Descriptor(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
}

bool attach(const Descriptor& socket, int option, std::span<sock_filter> instructions) {
  const sock_fprog program{.len = static_cast<unsigned short>(instructions.size()),
                           .filter = instructions.data()};
  return ::setsockopt(socket.get(), SOL_SOCKET, option, &program, sizeof program) == 0;
}

void detach(const Descriptor& socket, int option) {
  const int none = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, option, &none, sizeof none);
}

// Chooses any of the group's sockets but the first `leaving`. Who joins a group is behind those that are
// there, and those who leave were there first. A number beyond the end, as there is once some have left,
// makes the kernel choose by itself.
bool steer_to_others(const Descriptor& member, std::uint32_t leaving, std::uint32_t others) {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM)),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, others),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, leaving),
      BPF_STMT(BPF_RET | BPF_A, 0),
  }};
  return attach(member, SO_ATTACH_REUSEPORT_CBPF, program);
}

// Drops what has SYN and not ACK. The TCP header is where the filter's data begins.
bool leave_unanswered(const Descriptor& socket) {
  constexpr std::uint32_t kFlags = 13;  // the byte's offset, RFC 9293
  constexpr std::uint32_t kSyn = 0x02;
  constexpr std::uint32_t kAck = 0x10;
  std::array<sock_filter, 5> program{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlags),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSyn | kAck),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  }};
  return attach(socket, SO_ATTACH_FILTER, program);
}

}  // namespace

std::optional<Handover> Handover::begin(int pid, const Descriptor& pidfd) {
  const std::map<std::uint64_t, ListeningSocket> listening = listening_sockets();
  const std::optional<std::map<std::uint64_t, int>> own = sockets_of(pid);
  if (!own) return std::nullopt;
  struct Address {
    std::vector<std::uint64_t> leaving;
    std::uint32_t others = 0;
  };
  std::map<std::string, Address> addresses;
  for (const auto& [inode, socket] : listening) {
    Address& address = addresses[socket.address];
    if (own->contains(inode)) {
      address.leaving.push_back(inode);
    } else {
      ++address.others;
    }
  }

  Handover result(pid);
  for (const auto& [name, address] : addresses) {
    if (address.leaving.empty()) continue;
    if (address.others == 0) {
      result.complete_ = false;
      continue;
    }
    std::vector<Descriptor*> taken;
    for (const std::uint64_t inode : address.leaving) {
      Descriptor socket = take_descriptor(pidfd, own->at(inode));
      if (!socket) return std::nullopt;
      taken.push_back(&(result.sockets_[inode] = std::move(socket)));
    }
    const auto leaving = static_cast<std::uint32_t>(taken.size());
    // The filter alone would make each client that meets it wait for a second.
    if (!steer_to_others(*taken.front(), leaving, address.others)) return std::nullopt;
    for (const Descriptor* each : taken) leave_unanswered(*each);
  }
  if (result.sockets_.empty()) return std::nullopt;
  return result;
}

void Handover::undo(int pid, const Descriptor& pidfd) {
  const std::optional<std::map<std::uint64_t, int>> own = sockets_of(pid);
  if (!own) return;
  for (const auto& [inode, socket] : listening_sockets()) {
    const auto found = own->find(inode);
    if (found == own->end()) continue;
    const Descriptor taken = take_descriptor(pidfd, found->second);
    detach(taken, SO_DETACH_FILTER);
    detach(taken, SO_DETACH_REUSEPORT_BPF);
  }
}

Handover::~Handover() {
  for (const auto& [inode, socket] : sockets_) detach(socket, SO_DETACH_REUSEPORT_BPF);
}

bool Handover::queues_are_empty() const {
  return std::ranges::all_of(sockets_, [](const auto& socket) {
    // Of a socket that listens, `unacked` is the length of its queue (tcp_get_info in the kernel's tcp.c).
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(socket.second.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
           info.tcpi_unacked == 0;
  });
}

bool Handover::closed_by_process() const {
  const std::optional<std::map<std::uint64_t, int>> open = sockets_of(pid_);
  return !open ||
         std::ranges::none_of(sockets_, [&open](const auto& socket) { return open->contains(socket.first); });
}

}  // namespace sluice::proxy

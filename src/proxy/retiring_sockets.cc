#include "proxy/retiring_sockets.h"

#include <algorithm>
#include <array>
#include <ranges>
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

// Chooses any of `count` sockets of the group, from `first` on, in the order in which they have begun to
// listen. A number beyond the end, as there is once some have left, makes the kernel choose by itself.
bool steer(const Descriptor& member, std::size_t first, std::size_t count) {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM)),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, static_cast<std::uint32_t>(count)),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, static_cast<std::uint32_t>(first)),
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

std::optional<RetiringSockets> RetiringSockets::retire(int pid, const Descriptor& pidfd, std::uint32_t kept) {
  const std::map<std::uint64_t, ListeningSocket> listening = listening_sockets();
  const std::optional<std::map<std::uint64_t, int>> open = sockets_of(pid);
  if (!open) return std::nullopt;
  struct Own {
    int descriptor = 0;
    std::uint64_t inode = 0;
    auto operator<=>(const Own&) const = default;
  };
  struct Address {
    std::vector<Own> own;
    std::size_t elsewhere = 0;
  };
  std::map<std::string, Address> addresses;
  for (const auto& [inode, socket] : listening) {
    Address& address = addresses[socket.address];
    if (const auto found = open->find(inode); found != open->end()) {
      address.own.push_back({.descriptor = found->second, .inode = inode});
    } else {
      ++address.elsewhere;
    }
  }

  RetiringSockets result(pid);
  for (auto& [name, address] : addresses) {
    const std::size_t stay = std::min<std::size_t>(kept, address.own.size());
    if (stay == address.own.size()) continue;
    if (stay + address.elsewhere == 0) {
      result.complete_ = false;
      continue;
    }
    std::ranges::sort(address.own);  // in the order of the workers, and in which they were made
    std::vector<const Descriptor*> leaving;
    for (const Own& each : address.own | std::views::drop(stay)) {
      Descriptor socket = take_descriptor(pidfd, each.descriptor);
      if (!socket) return std::nullopt;
      leaving.push_back(&(result.sockets_[each.inode] = std::move(socket)));
    }
    // Who listens elsewhere, and is to take over, has come later.
    const bool steered = stay > 0 ? steer(*leaving.front(), 0, stay)
                                  : steer(*leaving.front(), address.own.size(), address.elsewhere);
    // The filter alone would make each client that meets it wait for a second.
    if (!steered) return std::nullopt;
    for (const Descriptor* each : leaving) leave_unanswered(*each);
  }
  if (result.sockets_.empty()) return std::nullopt;
  return result;
}

void RetiringSockets::undo(int pid, const Descriptor& pidfd) {
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

RetiringSockets::~RetiringSockets() {
  for (const auto& [inode, socket] : sockets_) detach(socket, SO_DETACH_REUSEPORT_BPF);
}

bool RetiringSockets::queues_are_empty() const {
  return std::ranges::all_of(sockets_, [](const auto& socket) {
    // Of a socket that listens, `unacked` is the length of its queue (tcp_get_info in the kernel's tcp.c).
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(socket.second.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
           info.tcpi_unacked == 0;
  });
}

bool RetiringSockets::closed_by_process() const {
  const std::optional<std::map<std::uint64_t, int>> open = sockets_of(pid_);
  return !open ||
         std::ranges::none_of(sockets_, [&open](const auto& socket) { return open->contains(socket.first); });
}

}  // namespace sluice::proxy

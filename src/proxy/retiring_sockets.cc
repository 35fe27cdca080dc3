#include "proxy/retiring_sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error_text.h"
#include "proxy/listening.h"

namespace sluice::proxy {
namespace {

// The socket of the inode, which had this number in the process a moment ago.
std::expected<Descriptor, std::string> take_descriptor(const Descriptor& pidfd, int number,
                                                       std::uint64_t inode) {
  Descriptor taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
  if (!taken) return std::unexpected(error_text("pidfd_getfd", errno));
  struct stat status{};
  if (::fstat(taken.get(), &status) != 0 || status.st_ino != inode)
    return std::unexpected("a socket was closed meanwhile");
  return taken;
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

std::expected<RetiringSockets, std::string> RetiringSockets::retire(int pid, const Descriptor& pidfd,
                                                                    std::uint32_t kept) {
  const std::optional<std::map<std::uint64_t, int>> open = sockets_of(pid);
  if (!open) return std::unexpected(fmt::format("the descriptors of process {} cannot be read", pid));
  struct Address {
    std::vector<std::uint64_t> own;
    std::size_t elsewhere = 0;
  };
  std::map<std::string, Address> addresses;
  for (const auto& [inode, socket] : listening_sockets()) {
    Address& address = addresses[socket.address];
    if (open->contains(inode)) {
      address.own.push_back(inode);
    } else {
      ++address.elsewhere;
    }
  }

  RetiringSockets result(pid);
  struct Steering {
    const Descriptor* member;
    std::size_t first, count;
  };
  std::vector<Steering> steerings;
  for (auto& [name, address] : addresses) {
    if (address.own.size() <= kept) continue;
    if (kept == 0 && address.elsewhere == 0) result.complete_ = false;
    // Of whoever else is there it is not known who came first.
    if ((kept == 0) == (address.elsewhere == 0)) continue;
    if (kept > 0) address.own.resize(1);
    for (const std::uint64_t inode : address.own) {
      std::expected<Descriptor, std::string> socket = take_descriptor(pidfd, open->at(inode), inode);
      if (!socket) return std::unexpected(std::move(socket.error()));
      result.sockets_[inode] = *std::move(socket);
    }
    const Descriptor* member = &result.sockets_[address.own.front()];
    // Who listens elsewhere, and is to take over, has come later.
    steerings.push_back(kept > 0 ? Steering{member, 0, kept}
                                 : Steering{member, address.own.size(), address.elsewhere});
  }
  for (const Steering& each : steerings) {
    if (!steer(*each.member, each.first, each.count))
      return std::unexpected(error_text("SO_ATTACH_REUSEPORT_CBPF", errno));
  }
  // Last, for it alone would make each client that meets it wait for a second.
  if (kept == 0) {
    for (const auto& [inode, socket] : result.sockets_) leave_unanswered(socket);
  }
  return result;
}

void RetiringSockets::undo(int pid, const Descriptor& pidfd) {
  const std::optional<std::map<std::uint64_t, int>> own = sockets_of(pid);
  if (!own) return;
  for (const auto& [inode, socket] : listening_sockets()) {
    const auto found = own->find(inode);
    if (found == own->end()) continue;
    const std::expected<Descriptor, std::string> taken = take_descriptor(pidfd, found->second, inode);
    if (!taken) continue;
    detach(*taken, SO_DETACH_FILTER);
    detach(*taken, SO_DETACH_REUSEPORT_BPF);
  }
}

RetiringSockets& RetiringSockets::operator=(RetiringSockets&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(complete_, other.complete_);
  std::swap(sockets_, other.sockets_);
  return *this;
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

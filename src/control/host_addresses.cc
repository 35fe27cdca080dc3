#include "control/host_addresses.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/loop.h"

namespace sluice::control {
namespace {

// Addresses come and go together: an interface goes up, a lease is renewed.
constexpr std::chrono::milliseconds kTogether{20};

// A socket to which the kernel tells of addresses, and of interfaces that go up or down.
Descriptor open_events() {
  Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (socket && ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    socket.reset();
  }
  return socket;
}

// What the kernel says does not matter, that it says something does: then all addresses are read again.
class ThreadedHostWatch : public HostWatch {
 public:
  using Changed = std::function<void(translate::HostAddresses)>;

  ThreadedHostWatch(Descriptor events, translate::HostAddresses now, Changed changed)
      : events_(std::move(events)), last_(std::move(now)), changed_(std::move(changed)) {
    watch_ = loop_.watch(events_.get(), EPOLLIN, [this](std::uint32_t) { take_events(); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~ThreadedHostWatch() override {
    loop_.post([this] { loop_.quit(); });
    thread_.join();
  }

 private:
  void take_events() {
    std::array<char, 8192> buffer;
    // ENOBUFS: there were more than the socket holds, which is an event too.
    while (::recv(events_.get(), buffer.data(), buffer.size(), 0) > 0 || errno == ENOBUFS || errno == EINTR) {
    }
    if (!timer_.pending()) timer_ = loop_.after(kTogether, [this] { look(); });
  }

  void look() {
    translate::HostAddresses now = read_host_addresses();
    if (now == last_) return;
    last_ = now;
    changed_(std::move(now));
  }

  Loop loop_;
  const Descriptor events_;
  translate::HostAddresses last_;
  const Changed changed_;
  Loop::Watch watch_;
  Loop::Timer timer_;
  std::thread thread_;
};

}  // namespace

translate::HostAddresses read_host_addresses() {
  translate::HostAddresses addresses;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  std::vector<std::string> loopback;
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0) continue;
    const int family = at->ifa_addr->sa_family;
    const void* bytes = nullptr;
    if (family == AF_INET) {
      bytes = &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr;
    } else if (family == AF_INET6) {
      const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&v6)) continue;  // means nothing without its interface
      bytes = &v6;
    } else {
      continue;
    }
    char text[INET6_ADDRSTRLEN];
    addresses.all.emplace_back(inet_ntop(family, bytes, text, sizeof(text)));
    ((at->ifa_flags & IFF_LOOPBACK) != 0 ? loopback : addresses.primary).emplace_back(text);
  }
  if (addresses.primary.empty()) addresses.primary = std::move(loopback);
  for (std::vector<std::string>* list : {&addresses.all, &addresses.primary}) {
    std::ranges::sort(*list);
    list->erase(std::ranges::unique(*list).begin(), list->end());
  }
  return addresses;
}

std::unique_ptr<HostWatch> watch_host_addresses(translate::HostAddresses* now,
                                                std::function<void(translate::HostAddresses)> changed) {
  Descriptor events = open_events();  // before the first look, so that nothing is missed
  *now = read_host_addresses();
  if (!events) return nullptr;
  return std::make_unique<ThreadedHostWatch>(std::move(events), *now, std::move(changed));
}

}  // namespace sluice::control

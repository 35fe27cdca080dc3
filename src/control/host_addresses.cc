#include "control/host_addresses.h"

#include <algorithm>
#include <memory>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

namespace sluice::control {

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

}  // namespace sluice::control

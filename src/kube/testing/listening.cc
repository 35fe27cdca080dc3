#include "kube/testing/listening.h"

#include <cstdlib>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace sluice::kube_testing {

Listening listen_on_loopback(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  socklen_t size = sizeof at;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    std::abort();
  }
  return {.socket = std::move(socket), .port = ntohs(at.sin_port)};
}

}  // namespace sluice::kube_testing

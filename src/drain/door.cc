#include "drain/door.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

namespace sluice::drain {

namespace {

constexpr int kBacklog = 8;

struct Address {
  sockaddr_un at{};
  socklen_t size = 0;
};

Address address_of(const std::string& name) {
  Address address;
  address.at.sun_family = AF_UNIX;
  // The first byte is zero: that makes it abstract.
  const std::size_t length = std::min(name.size(), sizeof address.at.sun_path - 1);
  std::memcpy(address.at.sun_path + 1, name.data(), length);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  return address;
}

Descriptor make_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

Descriptor listen_at_door(const std::string& name) {
  Descriptor socket = make_socket();
  const Address address = address_of(name);
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.at), address.size) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return Descriptor();
  }
  return socket;
}

Descriptor knock_at_door(const std::string& name) {
  Descriptor socket = make_socket();
  const Address address = address_of(name);
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.at), address.size) != 0)
    return Descriptor();
  return socket;
}

}  // namespace sluice::drain

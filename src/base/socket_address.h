// How the address of a socket is written.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace sluice {

// "10.0.0.1:80", "[fd00::1]:80"; also of a name of DNS.
inline std::string host_and_port(std::string_view host, int port) {
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace sluice

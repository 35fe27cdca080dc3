// For tests: a socket that takes connections on a port of 127.0.0.1.
#pragma once

#include <cstdint>

#include "base/descriptor.h"

namespace sluice::kube_testing {

struct Listening {
  Descriptor socket;
  std::uint16_t port = 0;
};

// Port 0: one that the system chooses. Where that fails, the program stops.
Listening listen_on_loopback(std::uint16_t port = 0);

}  // namespace sluice::kube_testing

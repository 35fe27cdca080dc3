// Between `sluice envoy shutdown` and the shutdown manager of its pod: how the one tells the other that Envoy
// drains, and that it has drained.
//
// It is an abstract Unix socket: it needs no file, takes no port from a Gateway, and nobody outside of the
// pod can knock. Who connects drains until it closes; what it says is a message each, for the manager's log,
// for what a preStop hook prints is seen nowhere; kEnded is the last of one that comes to its end.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace sluice::drain {

inline constexpr char kDoor[] = "sluice-shutdown-manager";
inline constexpr std::string_view kEnded = "ended";
inline constexpr std::size_t kLongestMessage = 512;  // bytes; what is longer is cut off

// Neither blocks; nothing, and errno, where there is none. A name has 100 bytes at most.
Descriptor listen_at_door(const std::string& name);
Descriptor knock_at_door(const std::string& name);

}  // namespace sluice::drain

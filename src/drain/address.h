// Where the shutdown manager of a pod is asked.
#pragma once

#include <cstdint>

namespace sluice::drain {

inline constexpr std::uint16_t kManagerPort = 19'002;  // Envoy Gateway's
inline constexpr char kHealthPath[] = "/healthz";      // 200 as long as the manager lives
inline constexpr char kReadyPath[] = "/shutdown/ready";

}  // namespace sluice::drain

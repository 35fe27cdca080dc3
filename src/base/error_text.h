// What the system says of a failure.
//
// Threads: pure function.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace sluice {

// "pipe: Too many open files", of an errno.
inline std::string error_text(std::string_view what, int error) {
  return fmt::format("{}: {}", what, strerrordesc_np(error));
}

}  // namespace sluice

// What files a script may see.
//
// Those below the allowed paths, but never /etc, /proc, /sys, /certs, /run/secrets and /var/run/secrets, as
// with Envoy Gateway. Where a path leads through symbolic links decides, and only regular files are read.
//
// Threads: pure functions of the file system. Where no path is allowed they do not look at it.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "lua/validate.h"

namespace sluice::lua {

// More of a file is not read.
inline constexpr std::size_t kMaxFile = 256U << 10U;

// Where a path of a script leads, absolute and without links; there need not be anything. The error is a
// reason: "no path in lua.strictValidation.allowedPaths leads there".
std::expected<std::string, std::string> find_target(const Sandbox& sandbox, std::string_view path);

// The text of a target. The error is that of the system: ENOENT.
std::expected<std::string, int> read_target(const std::string& target);

}  // namespace sluice::lua

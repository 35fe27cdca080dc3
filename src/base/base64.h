// Base64 (RFC 4648), with padding or without.
//
// Threads: pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// Nothing where it is none.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sluice

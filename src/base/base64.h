// Base64 (RFC 4648).
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// With padding or without. Nothing where it is none.
std::optional<std::string> decode_base64(std::string_view text);
// With padding.
std::string encode_base64(std::string_view bytes);

}  // namespace sluice

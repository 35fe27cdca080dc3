// UTF-8, as Unicode has it.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// The size of the character that `text` begins with, or 0 where it begins with none: overlong forms, halves
// of surrogate pairs and what lies beyond Unicode are none. `text` is not empty.
std::size_t utf8_size(std::string_view text);

// The text with U+FFFD in place of each byte that begins no character.
std::string as_utf8(std::string_view text);

}  // namespace sluice

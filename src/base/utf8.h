// UTF-8, as Unicode has it.
//
// Threads: pure function.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

// The size of the character that `text` begins with, or 0 where it begins with none: overlong forms, halves
// of surrogate pairs and what lies beyond Unicode are none. `text` is not empty.
std::size_t utf8_size(std::string_view text);

}  // namespace sluice

// What a text is made of, for all parsers.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/problem.h"

namespace sluice::tree_internal {

// As columns are counted.
std::uint32_t code_points(std::string_view text);

// The first character that no text may hold: a NUL, a carriage return alone, what is no UTF-8. The problem
// has its line and column.
std::optional<Problem> find_bad_character(std::string_view text);

}  // namespace sluice::tree_internal

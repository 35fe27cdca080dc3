// Letters of ASCII without their case, as names of hosts and headers compare. Other bytes are left alone,
// whatever the locale.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

constexpr char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower_case(std::string_view text);

bool equal_but_for_case(std::string_view a, std::string_view b);

}  // namespace sluice

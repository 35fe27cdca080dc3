// A short name for a text: equal texts have equal ids, on every machine and in every run. For names in xDS
// that follow what they stand for.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Twelve hexadecimal digits.
std::string content_id(std::string_view text);

}  // namespace sluice

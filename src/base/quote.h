// Texts of users in messages.
//
// Threads: pure function.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// `text` in backquotes: on one line, without what a terminal would obey or what is no UTF-8, and cut where it
// is long.
std::string quote(std::string_view text);

}  // namespace sluice

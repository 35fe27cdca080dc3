// Expressions in CEL that somebody else evaluates: Envoy, of its own attributes and with its own functions.
//
// Threads: pure functions.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace sluice::schema::cel {

// Why the text is no expression, with the column, from 1. Names and functions may be any.
std::expected<void, std::string> check_syntax(std::string_view text);

}  // namespace sluice::schema::cel

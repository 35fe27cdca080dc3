// Regular expressions of users, which have to be RE2's: Envoy refuses a whole route table for one that is
// not.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>

namespace sluice::translate {

// Why the text is no regular expression; nothing: it is one.
std::optional<std::string> fault_of_regex(const std::string& regex);

// Why the substitution takes nothing from what the pattern matched as it is meant to ("\3" of two groups);
// nothing: it does. The pattern has to be one.
std::optional<std::string> fault_of_substitution(const std::string& pattern, const std::string& substitution);

}  // namespace sluice::translate

// What Envoy refuses of the values of headers that a user has it set, so that the field can be named before
// Envoy is asked.
//
// To Envoy a value is a text with commands: %REQ(X-NAME)%, %DOWNSTREAM_REMOTE_ADDRESS%, and %% for a percent
// sign. One header that it cannot read makes it refuse a whole route table. What stands in a command's
// parentheses is left to Envoy: each command has rules of its own for that.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::translate {

struct HeaderFault {
  std::string message;
  std::string suggestion;
};

// Why a header cannot have this value; nothing: it can.
std::optional<HeaderFault> fault_of_header_value(std::string_view value);

// Why a text cannot stand in the head of a request or a response: as a path, or as a value without commands.
std::optional<HeaderFault> fault_of_head(std::string_view text);

// The same of the commands alone, in a text that may have any lines.
std::optional<HeaderFault> fault_of_commands(std::string_view text);

}  // namespace sluice::translate

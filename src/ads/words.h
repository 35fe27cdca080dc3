// What a proxy says where it refuses something, made fit to be read.
//
// Of a value that breaks a rule of its API, Envoy says the whole resource first, in the text form of
// protobuf, then the message in which the value is, and in which that is, and last the reason. A resource
// holds what many people wrote, and maybe their secrets, and what Envoy says is cut at 4 KB, so that of a
// large one the reason is missing. Its log has it whole.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::ads {

// Stands for a reason that was cut off.
inline constexpr std::string_view kReasonCutOff =
    "a value is none that Envoy takes, and Envoy says too much to say which: its log has the reason";

// One line, without resources, cut where it is long.
std::string in_short(std::string_view words);

// The last reason in what a proxy logged, as in_short() would have it; nothing where there is none.
std::optional<std::string> last_reason(std::string_view log);

}  // namespace sluice::ads

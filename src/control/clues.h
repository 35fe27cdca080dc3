// What a proxy's words say about who is at fault.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

// The texts to which a message points: those with the word of the message that the fewest of them have, in
// their order. None where no word tells them apart well: where even the rarest is in more than a quarter.
std::vector<std::size_t> pointed_at(const std::vector<std::string>& texts, std::string_view message);

}  // namespace sluice::control

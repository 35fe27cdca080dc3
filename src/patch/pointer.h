// JSON Pointer (RFC 6901): the way to one place in a document.
//
// Whoever looks for a place that is not there is told what is there instead.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "patch/failure.h"

namespace sluice::patch {

// The names and indexes on the way, without escapes; none: the whole document.
using Pointer = std::vector<std::string>;

// `field`: of the operation that the text is of, for failures.
Result<Pointer> parse_pointer(std::string_view text, std::string_view field);

// "/filter_chains/0", with escapes. `length`: only so many of its parts.
std::string to_string(const Pointer& pointer, std::size_t length = static_cast<std::size_t>(-1));

// An index as a part of a pointer has it; nothing where the part is none.
std::optional<std::size_t> index_of(std::string_view part);

// The value at the first `length` parts of the pointer.
Result<nlohmann::json*> find(nlohmann::json& document, const Pointer& pointer, std::size_t length,
                             std::string_view field);

// What is at a place, for people: "`/filter_chains` has 1 entry".
std::string describe(const nlohmann::json& value, const Pointer& pointer, std::size_t length);

}  // namespace sluice::patch

// Quantities of Kubernetes: "512Mi", "1.5G", "2e9".
//
// Threads: a pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::infra {

// Bytes, rounded up; nothing where it is no quantity, is negative or has no place in 64 bits.
std::optional<std::uint64_t> bytes_of(std::string_view quantity);

}  // namespace sluice::infra

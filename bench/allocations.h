// Counts allocations of the program that is linked with allocations.cc.
#pragma once

#include <cstdint>

namespace sluice {

// How often operator new has been called, by any thread.
std::uint64_t allocations();

}  // namespace sluice

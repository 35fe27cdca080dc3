// The clock of the picker's homes: Picker itself has none.
//
// Threads: any.
#pragma once

#include "picker/request.h"

namespace sluice::picker {

// Now, as the picker has it.
inline Time now() { return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now()); }

}  // namespace sluice::picker

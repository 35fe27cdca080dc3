// The unit of all times that users set.
#pragma once

#include <chrono>

namespace sluice::ir {

using Duration = std::chrono::milliseconds;

}  // namespace sluice::ir

// Envoy's log, for what the module has to say.
//
// Threads: any.
#pragma once

#include <string_view>
#include <vector>

#include "base/problem.h"
#include "module_abi/envoy_module.h"

namespace sluice::picker {

// One line, after "sluice picker: ".
void say(envoy::LogLevel level, std::string_view text);

// A line for each: errors as such, warnings too. `what` was being read: "the filter's configuration".
void say(std::string_view what, const std::vector<Problem>& problems);

}  // namespace sluice::picker

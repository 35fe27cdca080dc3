// The routes that people may have expected to take a request, and why they did not.
//
// Threads: a pure function, on the snapshot's thread.
#pragma once

#include <vector>

#include "explain/explain.h"

namespace sluice::explain {

// The nearest few, of a request whose explanation is known but for these.
std::vector<NearMiss> find_near_misses(const Snapshot& snapshot, const translate::ProxyPlan& plan,
                                       const Explanation& explanation, const Arrival& arrival);

}  // namespace sluice::explain

// What a route does with a request that it takes: CORS, a redirect, an answer, or the way to its backends.
//
// Threads: a pure function, on the snapshot's thread.
#pragma once

#include <vector>

#include "explain/explain.h"
#include "ir/ir.h"

namespace sluice::explain {

// Finishes an explanation of which the proxy and the rule are known. The routes are those that share the
// requests of one match, by rising fractions; it is one as a rule. `missing` are extensions of their rule.
void follow_route(const Snapshot& snapshot, const std::vector<const ir::Route*>& shares,
                  const std::vector<translate::MissingExtension>& missing, const Arrival& arrival,
                  Explanation& e);

}  // namespace sluice::explain

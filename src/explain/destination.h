// Clusters as destinations of an explanation.
//
// Threads: a pure function, on the snapshot's thread.
#pragma once

#include <vector>

#include "explain/explain.h"

namespace sluice::explain {

// `to` is what is known of the destination but for the cluster. A cluster of several backends is a
// destination for each.
void add_destinations(const Snapshot& snapshot, const translate::ClusterRow& cluster, Destination to,
                      std::vector<Destination>& destinations);

}  // namespace sluice::explain

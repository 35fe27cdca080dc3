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

// Says that patches change a resource of the explained proxy; or the cluster of the last destination.
void add_patches(const Snapshot& snapshot, xds::ResourceType type, const std::string& name,
                 const std::string& of, Explanation& e);
void add_cluster_patches(const Snapshot& snapshot, const std::string& cluster, Explanation& e);

}  // namespace sluice::explain

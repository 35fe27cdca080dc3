// The endpoints of a cluster.
#pragma once

#include <functional>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

using FindEndpoints = std::function<const ServiceEndpoints*(const ObjectKey& service)>;

// Its own, those of the Service's port that it follows, or its members'. A member is a locality, for it is
// these that have weights.
std::vector<ir::Locality> localities_of(const ClusterRow& row, const FindEndpoints& find);

}  // namespace sluice::translate

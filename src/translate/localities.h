// The endpoints of a cluster.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

using FindEndpoints = std::function<const ServiceEndpoints*(const ObjectKey& service)>;

// Its own, those of the Service's port that it follows, or its members'. A member is a locality, for it is
// these that have weights; so is a zone where zones matter, to the Service or by the cluster's settings. What
// no row has in this form is put into `room`.
std::span<const ir::Locality> localities_of(const ClusterRow& row, const FindEndpoints& find,
                                            std::vector<ir::Locality>& room);

}  // namespace sluice::translate

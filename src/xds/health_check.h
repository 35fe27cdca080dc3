// How endpoints that do not work are found: Envoy asks them, and judges how they answer requests.
//
// Threads: pure functions.
#pragma once

#include "ir/cluster_settings.h"

namespace envoy::config::core::v3 {
class HealthCheck;
}
namespace envoy::config::cluster::v3 {
class OutlierDetection;
}

namespace sluice::xds {

// The port, if it is another, is the endpoints' business (xds/endpoints.h).
void fill_health_check(const ir::HealthCheck& from, envoy::config::core::v3::HealthCheck* to);

void fill_outlier_detection(const ir::OutlierDetection& from,
                            envoy::config::cluster::v3::OutlierDetection* to);

}  // namespace sluice::xds

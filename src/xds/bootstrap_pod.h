// What the bootstrap of an Envoy in a pod has that one on a host has not. Part of xds/bootstrap.h.
#pragma once

#include "xds/bootstrap.h"

namespace envoy::config::bootstrap::v3 {
class Bootstrap;
}
namespace envoy::config::cluster::v3 {
class Cluster;
}
namespace envoy::config::core::v3 {
class Address;
}
namespace envoy::config::listener::v3 {
class Listener;
}

namespace sluice::xds {

void fill_admin_address(const PodPlaces& places, envoy::config::core::v3::Address* to);
// Where ADS is, and how Envoy and we know each other.
void fill_xds_endpoint(const PodPlaces& places, envoy::config::cluster::v3::Cluster* to);
void fill_ready_listener(const PodPlaces& places, envoy::config::listener::v3::Listener* to);
// What a user's own bootstrap may do without: metrics, and limits.
void fill_pod_defaults(const PodPlaces& places, envoy::config::bootstrap::v3::Bootstrap* to);

}  // namespace sluice::xds

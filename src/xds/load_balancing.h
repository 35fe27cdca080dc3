// Which endpoint of a cluster a request goes to, as Envoy's load balancing policies say it; and what of the
// request is hashed, which is part of the route, or of the cluster where no route leads to it.
//
// Threads: pure functions.
#pragma once

#include <span>

#include "ir/cluster_settings.h"

namespace envoy::config::cluster::v3 {
class LoadBalancingPolicy;
}
namespace envoy::config::route::v3 {
class RouteAction_HashPolicy;
}
namespace google::protobuf {
template <typename T>
class RepeatedPtrField;
}

namespace sluice::xds {

// `prefer_local_zone` is the backend's word, where the settings say nothing of zones.
void fill_load_balancing(const ir::LoadBalancing& from, bool prefer_local_zone,
                         envoy::config::cluster::v3::LoadBalancingPolicy* to);

void fill_hash(std::span<const ir::HashKey> from,
               google::protobuf::RepeatedPtrField<envoy::config::route::v3::RouteAction_HashPolicy>* to);

}  // namespace sluice::xds

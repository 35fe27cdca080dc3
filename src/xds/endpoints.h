// Localities of endpoints, for a resource of their own or inside a cluster.
#pragma once

#include <span>
#include <string_view>

#include "ir/ir.h"

namespace envoy::config::endpoint::v3 {
class ClusterLoadAssignment;
}

namespace sluice::xds {

// What endpoints ask for by "envoy.transport_socket_match", and a cluster with TLS offers under this name.
inline constexpr char kTlsMatch[] = "tls";

void fill_assignment(std::string_view cluster, std::span<const ir::Locality> localities, bool tls,
                     envoy::config::endpoint::v3::ClusterLoadAssignment* to);

}  // namespace sluice::xds

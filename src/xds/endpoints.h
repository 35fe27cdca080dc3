// Localities of endpoints, for a resource of their own or inside a cluster.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ir/ir.h"

namespace sluice::xds {

// What endpoints ask for by "envoy.transport_socket_match", and a cluster with TLS offers under this name.
inline constexpr char kTlsMatch[] = "tls";

// Appends the fields of a ClusterLoadAssignment; with `tls` the endpoints ask for the cluster's. The port of
// health checks is another unless it is 0.
void append_assignment(std::string_view cluster, std::span<const ir::Locality> localities, bool tls,
                       std::uint16_t health_port, std::string& out);

}  // namespace sluice::xds

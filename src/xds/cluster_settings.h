// The parts of a cluster that users can set, besides load balancing and health (files of their own). What the
// settings do not say has Envoy Gateway's default here.
//
// Threads: pure functions.
#pragma once

#include "ir/ir.h"

namespace envoy::config::cluster::v3 {
class Cluster;
}
namespace envoy::config::core::v3 {
class Http2ProtocolOptions;
class TransportSocket;
}  // namespace envoy::config::core::v3
namespace envoy::extensions::upstreams::http::v3 {
class HttpProtocolOptions;
}

namespace sluice::xds {

// Limits, timeouts and options of connections, health checks: all that neither depends on how endpoints are
// found nor on which protocol they speak.
void fill_settings(const ir::ClusterSettings& from, envoy::config::cluster::v3::Cluster* to);

void fill_http2(const ir::ClusterSettings& from, envoy::config::core::v3::Http2ProtocolOptions* to);

// What does not depend on the version of HTTP. False where there is nothing.
bool fill_http(const ir::ClusterSettings& from,
               envoy::extensions::upstreams::http::v3::HttpProtocolOptions* to);

// Puts the protocol around the socket; one that is not there yet is a plain one.
void add_proxy_protocol(ir::ProxyProtocol version, envoy::config::core::v3::TransportSocket* socket);

}  // namespace sluice::xds

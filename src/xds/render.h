// ir → Envoy's resources, serialised. One function a resource type; every result is deterministic: equal
// values make equal bytes, on every machine.
//
// Nothing here knows the user's API (src/api) or the incremental tables (src/flow).
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ir/ir.h"

namespace sluice::xds {

// The resource types that ADS serves, in the order in which additions go out.
enum class ResourceType : std::uint8_t { kCluster, kEndpoints, kSecret, kListener, kRoutes, kExtension };
inline constexpr int kResourceTypes = 6;

// "type.googleapis.com/envoy.config.cluster.v3.Cluster" …
std::string_view type_url(ResourceType type);

// Each returns the serialised message (the value of an Any).
std::string render_cluster(const ir::Cluster& cluster, const ir::ClusterReport& report = {});
// `tls`: the cluster has UpstreamTls, which it is the endpoints that ask for. `health_port`: that of their
// health checks; 0: the same.
std::string render_endpoints(std::string_view cluster, std::span<const ir::Locality> localities, bool tls,
                             std::uint16_t health_port = 0);
std::string render_secret(const ir::Secret& secret);
// What a serialised secret was rendered from.
ir::Secret parse_secret(std::string_view bytes);
// A serialised secret with "[redacted]" in place of what only its owner may know.
std::string redact_secret(std::string_view bytes);
std::string render_listener(const ir::Listener& listener);
// The configuration of a filter that listeners name without having it (ir::EndpointPicker::discovered).
std::string render_extension(const ir::Extension& extension);

// A serialised VirtualHost of the given route table.
std::string render_virtual_host(std::string_view route_table, const ir::VirtualHost& host);
// A RouteConfiguration from serialised virtual hosts, by copying.
std::string assemble_routes(std::string_view route_table, std::span<const std::string_view> virtual_hosts);

// Content hash of serialised bytes, 64 bit, stable between runs and machines.
std::uint64_t content_hash(std::string_view bytes);

// A serialised resource as protobuf JSON (2-space indented), with every Any it contains spelled out.
// Unknown bytes are a bug and stop the program.
std::string to_json(ResourceType type, std::string_view bytes);

}  // namespace sluice::xds

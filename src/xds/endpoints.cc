#include "xds/endpoints.h"

#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "google/protobuf/wrappers.pb.h"

#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace core = envoy::config::core::v3;
namespace endpoint = envoy::config::endpoint::v3;

namespace {

constexpr std::string_view kTransportSocketMatch = "envoy.transport_socket_match";

// google.protobuf.UInt32Value.
void append_wrapped(std::string& out, int number, std::uint32_t value) {
  append_nested(out, number, [&] {
    if (value != 0) append_field(out, google::protobuf::UInt32Value::kValueFieldNumber, std::uint64_t{value});
  });
}

void append_address(const ir::Endpoint& from, std::string& out) {
  if (!from.unix_path.empty()) {
    append_nested(out, core::Address::kPipeFieldNumber,
                  [&] { append_field(out, core::Pipe::kPathFieldNumber, from.unix_path); });
    return;
  }
  append_nested(out, core::Address::kSocketAddressFieldNumber, [&] {
    append_field(out, core::SocketAddress::kAddressFieldNumber, from.address);
    append_field(out, core::SocketAddress::kPortValueFieldNumber, std::uint64_t{from.port});
  });
}

// `tls`: which TLS of the cluster it asks for; empty: none.
void append_endpoint(const ir::Endpoint& from, std::string_view tls, std::uint16_t health_port,
                     std::string& out) {
  using Member = endpoint::LbEndpoint;
  append_nested(out, Member::kEndpointFieldNumber, [&] {
    append_nested(out, endpoint::Endpoint::kAddressFieldNumber, [&] { append_address(from, out); });
    if (health_port != 0) {
      append_nested(out, endpoint::Endpoint::kHealthCheckConfigFieldNumber, [&] {
        append_field(out, endpoint::Endpoint::HealthCheckConfig::kPortValueFieldNumber,
                     std::uint64_t{health_port});
      });
    }
    if (!from.hostname.empty()) append_field(out, endpoint::Endpoint::kHostnameFieldNumber, from.hostname);
  });
  if (!tls.empty()) {
    const std::pair<std::string_view, std::string_view> name[] = {{"name", tls}};
    append_metadata(out, Member::kMetadataFieldNumber, kTransportSocketMatch, name);
  }
  append_wrapped(out, Member::kLoadBalancingWeightFieldNumber, 1);
}

void append_locality(const ir::Locality& from, bool tls, std::uint16_t health_port, std::string& out) {
  using Group = endpoint::LocalityLbEndpoints;
  append_nested(out, Group::kLocalityFieldNumber, [&] {
    if (!from.region.empty()) append_field(out, core::Locality::kRegionFieldNumber, from.region);
    if (!from.zone.empty()) append_field(out, core::Locality::kZoneFieldNumber, from.zone);
  });
  const std::string_view asks_for = !from.tls.empty() ? std::string_view(from.tls) : tls ? kTlsMatch : "";
  for (const ir::Endpoint& one : from.endpoints) {
    append_nested(out, Group::kLbEndpointsFieldNumber,
                  [&] { append_endpoint(one, asks_for, health_port, out); });
  }
  // Without a weight it gets no requests; Envoy takes no 0.
  if (from.weight != 0) append_wrapped(out, Group::kLoadBalancingWeightFieldNumber, from.weight);
  if (from.priority != 0) {
    append_field(out, Group::kPriorityFieldNumber, std::uint64_t{from.priority});
  }
}

}  // namespace

void append_assignment(std::string_view cluster, std::span<const ir::Locality> localities, bool tls,
                       std::uint16_t health_port, std::string& out) {
  using Assignment = endpoint::ClusterLoadAssignment;
  append_field(out, Assignment::kClusterNameFieldNumber, cluster);
  for (const ir::Locality& locality : localities) {
    append_nested(out, Assignment::kEndpointsFieldNumber,
                  [&] { append_locality(locality, tls, health_port, out); });
  }
}

std::string render_endpoints(std::string_view cluster, std::span<const ir::Locality> localities, bool tls,
                             std::uint16_t health_port) {
  std::size_t endpoints = 0;
  for (const ir::Locality& locality : localities) endpoints += locality.endpoints.size();
  std::string out;
  out.reserve(cluster.size() + 16 + 32 * endpoints);
  append_assignment(cluster, localities, tls, health_port, out);
  return out;
}

}  // namespace sluice::xds

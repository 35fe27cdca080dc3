#include "xds/endpoints.h"

#include "envoy/config/endpoint/v3/endpoint.pb.h"

#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace core = envoy::config::core::v3;
namespace endpoint = envoy::config::endpoint::v3;

namespace {

void fill_address(const ir::Endpoint& from, core::Address* to) {
  if (!from.unix_path.empty()) {
    to->mutable_pipe()->set_path(from.unix_path);
    return;
  }
  auto* socket = to->mutable_socket_address();
  socket->set_address(from.address);
  socket->set_port_value(from.port);
}

void ask_for_tls(const std::string& name, core::Metadata* metadata) {
  (*(*metadata->mutable_filter_metadata())["envoy.transport_socket_match"].mutable_fields())["name"]
      .set_string_value(name);
}

}  // namespace

void fill_assignment(std::string_view cluster, std::span<const ir::Locality> localities, bool tls,
                     endpoint::ClusterLoadAssignment* to) {
  to->set_cluster_name(cluster.data(), cluster.size());
  for (const ir::Locality& from : localities) {
    endpoint::LocalityLbEndpoints* group = to->add_endpoints();
    core::Locality* locality = group->mutable_locality();
    if (!from.region.empty()) locality->set_region(from.region);
    if (!from.zone.empty()) locality->set_zone(from.zone);
    group->set_priority(from.priority);
    group->mutable_load_balancing_weight()->set_value(from.weight);
    group->mutable_lb_endpoints()->Reserve(static_cast<int>(from.endpoints.size()));
    for (const ir::Endpoint& one : from.endpoints) {
      endpoint::LbEndpoint* member = group->add_lb_endpoints();
      member->mutable_load_balancing_weight()->set_value(1);
      fill_address(one, member->mutable_endpoint()->mutable_address());
      if (!one.hostname.empty()) member->mutable_endpoint()->set_hostname(one.hostname);
      if (!from.tls.empty()) {
        ask_for_tls(from.tls, member->mutable_metadata());
      } else if (tls) {
        ask_for_tls(kTlsMatch, member->mutable_metadata());
      }
    }
  }
}

std::string render_endpoints(const ir::Endpoints& endpoints) {
  google::protobuf::Arena arena;
  auto* assignment = google::protobuf::Arena::CreateMessage<endpoint::ClusterLoadAssignment>(&arena);
  fill_assignment(endpoints.cluster, endpoints.localities, endpoints.tls, assignment);
  return serialize(*assignment);
}

}  // namespace sluice::xds

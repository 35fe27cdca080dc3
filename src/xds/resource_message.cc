#include "xds/resource_message.h"

#include <cstdlib>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"

namespace sluice::xds {

std::unique_ptr<google::protobuf::Message> new_message(ResourceType type) {
  switch (type) {
    case ResourceType::kCluster:
      return std::make_unique<envoy::config::cluster::v3::Cluster>();
    case ResourceType::kEndpoints:
      return std::make_unique<envoy::config::endpoint::v3::ClusterLoadAssignment>();
    case ResourceType::kSecret:
      return std::make_unique<envoy::extensions::transport_sockets::tls::v3::Secret>();
    case ResourceType::kListener:
      return std::make_unique<envoy::config::listener::v3::Listener>();
    case ResourceType::kRoutes:
      return std::make_unique<envoy::config::route::v3::RouteConfiguration>();
    case ResourceType::kExtension:
      return std::make_unique<envoy::config::core::v3::TypedExtensionConfig>();
  }
  std::abort();
}

}  // namespace sluice::xds

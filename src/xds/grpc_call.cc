#include "xds/grpc_call.h"

#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"
#include "envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector.pb.h"

#include "xds/retry.h"
#include "xds/wire.h"

namespace sluice::xds {

void fill_grpc_call(const ir::GrpcCall& from, envoy::config::core::v3::GrpcService* to) {
  to->mutable_envoy_grpc()->set_cluster_name(from.cluster);
  to->mutable_envoy_grpc()->set_authority(from.authority);
  for (const auto& [name, value] : from.metadata) {
    auto* header = to->add_initial_metadata();
    header->set_key(name);
    header->set_value(value);
  }
  if (from.retry) fill_service_retry(*from.retry, to->mutable_retry_policy());
}

void fill_resource(const ir::TextMap& attributes, envoy::config::core::v3::TypedExtensionConfig* to) {
  envoy::extensions::tracers::opentelemetry::resource_detectors::v3::StaticConfigResourceDetectorConfig
      detector;
  for (const auto& [key, text] : attributes) (*detector.mutable_attributes())[key] = text;
  to->set_name("envoy.tracers.opentelemetry.resource_detectors.static_config");
  pack(detector, to->mutable_typed_config());
}

}  // namespace sluice::xds

#include "api/envoy_gateway/patch_policy.h"

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type json_patch_operation() {
  return object({
      field<&JSONPatchOperation::from>("from", string()).doc("The place that `move` and `copy` take from."),
      field<&JSONPatchOperation::json_path>("jsonPath", string())
          .doc("An expression that finds the places to change."),
      field<&JSONPatchOperation::op>("op", enumeration({"add", "remove", "replace", "move", "copy", "test"}))
          .required()
          .doc("What is done."),
      field<&JSONPatchOperation::path>("path", string()).doc("The place to change."),
      field<&JSONPatchOperation::value>("value", any()).doc("The new value."),
  });
}

Type envoy_patch_policy_type() {
  const Type patch = object({
      field<&EnvoyJSONPatch::name>("name", string()).required().doc("The name of the resource."),
      field<&EnvoyJSONPatch::operation>("operation", json_patch_operation())
          .required()
          .doc("The change, as in RFC 6902."),
      field<&EnvoyJSONPatch::type>(
          "type", enumeration({"type.googleapis.com/envoy.config.listener.v3.Listener",
                               "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                               "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                               "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                               "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"}))
          .required()
          .doc("The type of the resource."),
  });
  using Spec = EnvoyPatchPolicySpec;
  const Type spec = object({
      field<&Spec::json_patches>("jsonPatches", list(patch)).doc("The changes."),
      field<&Spec::priority>("priority", int32())
          .doc("Which of several policies goes first: that with the lower number."),
      field<&Spec::target_ref>("targetRef", local_object_reference())
          .required()
          .doc("The Gateway whose resources are changed; where Gateways are merged, their GatewayClass."),
      field<&Spec::type>("type", enumeration({"JSONPatch"})).required().doc("How changes are written."),
  });
  return resource<EnvoyPatchPolicy>(metadata_type(kSubdomain, 253), spec, field("status", policy_status()))
      .doc("Changes of the resources that Envoy is sent.");
}

}  // namespace sluice::api

#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type gateway_class_type() {
  return resource<GatewayClass>(
             metadata_type(kSubdomain, 253, /*with_uid=*/true),
             object({
                 field<&GatewayClassSpec::controller_name>(
                     "controllerName", controller_name().with(
                                           {.name = "immutable",
                                            .cel = "self == oldSelf",
                                            .message = "the controller of a GatewayClass cannot be changed"}))
                     .required()
                     .doc("The controller that serves Gateways of this class."),
                 field<&GatewayClassSpec::description>("description", string().max_length(64))
                     .passive()
                     .doc("A remark, for people."),
                 field<&GatewayClassSpec::parameters_ref>(
                     "parametersRef",
                     object({
                         field<&ParametersReference::group>("group", group_name()).required(),
                         field<&ParametersReference::kind>("kind", kind_name()).required(),
                         field<&ParametersReference::name>("name", object_name()).required(),
                         field<&ParametersReference::namespace_>("namespace", namespace_name())
                             .doc("The namespace of the EnvoyProxy."),
                     }))
                     .doc("An EnvoyProxy with settings for all Gateways of this class."),
             }),
             field("status", gateway_class_status()).defaults_to(waiting_status({"Accepted"})))
      .doc("Gateways of a kind: who serves them, and with which settings.");
}

}  // namespace sluice::api

#include "api/declarations.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kControllerName{
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$)",
    "a DNS name, `/` and a path, as in `example.com/gateway-controller`"};

}  // namespace

Type gateway_class_type() {
  return resource<GatewayClass>(
      metadata_type(kSubdomain, 253),
      object({
          field<&GatewayClassSpec::controller_name>("controllerName",
                                                    string().length(1, 253).matches(kControllerName))
              .required(),
          field<&GatewayClassSpec::description>("description", string().max_length(64)),
          field<&GatewayClassSpec::parameters_ref>(
              "parametersRef", object({
                                   field<&ParametersReference::group>("group", group_name()).required(),
                                   field<&ParametersReference::kind>("kind", kind_name()).required(),
                                   field<&ParametersReference::name>("name", object_name()).required(),
                                   field<&ParametersReference::namespace_>("namespace", namespace_name()),
                               })),
      }));
}

}  // namespace sluice::api

#include "api/inference/shared.h"

#include <optional>
#include <utility>

#include "api/gateway_api/shared.h"
#include "api/inference/types.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type pool_reference() {
  return object({
      field<&PoolReference::group>("group", group_name()).defaults_to("inference.networking.k8s.io"),
      field<&PoolReference::kind>("kind", kind_name())
          .defaults_to("InferencePool")
          .doc("The kind of the pool: `InferencePool`."),
      field<&PoolReference::name>("name", object_name()).required().doc("The name of the pool."),
  });
}

Type with_optional_spec(Type resource) {
  for (Field& field : resource.fields) {
    if (field.name == "spec") field.is_required = false;
  }
  return std::move(resource).with(
      {.name = "missing-pool", .message = "", .fault = [](const Value& self) -> std::optional<Fault> {
         if (self.has("spec")) return std::nullopt;
         return Fault{"the object says nothing: there is no `spec`", "add `spec` with a `poolRef`"};
       }});
}

}  // namespace sluice::api

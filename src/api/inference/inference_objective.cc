#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"
#include "api/inference/shared.h"
#include "api/inference/types.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type inference_objective_type() {
  const Type spec = object({
      field<&InferenceObjectiveSpec::pool_ref>("poolRef", pool_reference())
          .required()
          .doc("The pool whose requests may name the objective."),
      field<&InferenceObjectiveSpec::priority>("priority", int32())
          .doc("How urgent the requests are: of those that wait, higher ones go first. By default 0."),
  });
  return with_optional_spec(resource<InferenceObjective>(metadata_type(kSubdomain, 253), spec,
                                                         field("status", inference_objective_status())))
      .doc("How urgent the requests are that name it in a header.");
}

}  // namespace sluice::api

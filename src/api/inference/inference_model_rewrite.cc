#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"
#include "api/inference/shared.h"
#include "api/inference/types.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type inference_model_rewrite_type() {
  const Type model = object({
      field("type", enumeration({"Exact"}))
          .defaults_to("Exact")
          .passive()
          .doc("How the name is compared: there is only `Exact`."),
      field<&ModelRewriteMatch::model>("value", string().min_length(1))
          .required()
          .doc("The name of the model."),
  });
  const Type match =
      object({flattened("model", model).required().doc("The model that the client asks for.")});
  const Type target = object({
      field<&ModelRewriteTarget::model>("modelRewrite", string())
          .required()
          .doc("The model to ask the pods for."),
      field<&ModelRewriteTarget::weight>("weight", int32().range(1, 1'000'000))
          .doc("The share of requests, in proportion to the weights of the others. All targets have one, or "
               "none."),
  });
  const Type rule = object({
      field<&ModelRewriteRule::matches>("matches", list(match))
          .doc("Which requests the rule is for: those that one of these matches. By default all."),
      field<&ModelRewriteRule::targets>("targets", list(target).min_items(1)).doc("Which models to ask for."),
  });
  const Type spec = object({
      field<&InferenceModelRewriteSpec::pool_ref>("poolRef", pool_reference())
          .required()
          .doc("The pool for whose requests it is."),
      field<&InferenceModelRewriteSpec::rules>("rules", list(rule))
          .required()
          .doc("What to do with requests. Those with a match go before those without."),
  });
  return with_optional_spec(
             resource<InferenceModelRewrite>(metadata_type(kSubdomain, 253), spec,
                                             field("status", inference_model_rewrite_status())))
      .doc("Which models to ask the pods of a pool for, in place of what clients ask for.");
}

}  // namespace sluice::api

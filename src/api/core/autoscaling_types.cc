// What an autoscaler goes by, and how fast it is.

#include "api/core/pod_types.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

Type scaling_rules() {
  const Type policy = object({
      field("periodSeconds", int32()).required().doc("Within what time."),
      field("type", string()).required().doc("Whether `value` counts `Pods` or is a `Percent`."),
      field("value", int32()).required().doc("By how much it may change."),
  });
  return object({
      field("policies", list(policy)).doc("How far each step may go."),
      field("selectPolicy", string()).doc("Which of the policies counts: `Max`, `Min` or `Disabled`."),
      field("stabilizationWindowSeconds", int32()).doc("How long past wishes are looked back at."),
      field("tolerance", quantity()).doc("By what share a metric may be off."),
  });
}

}  // namespace

Type autoscaler_behavior() {
  const Type rules = scaling_rules();
  return object({
                    field("scaleDown", rules).doc("How fast pods go."),
                    field("scaleUp", rules).doc("How fast pods come."),
                })
      .doc("How fast it scales.");
}

Type autoscaler_metric() {
  const Type target =
      object({
                 field("averageUtilization", int32())
                     .doc("The average of the pods, in percent of what they request."),
                 field("averageValue", quantity()).doc("The average of the pods."),
                 field("type", string()).required().doc("`Utilization`, `Value` or `AverageValue`."),
                 field("value", quantity()).doc("The metric itself."),
             })
          .doc("The value to aim at.");
  const Type metric = object({
                                 field("name", string()).required().doc("The name of the metric."),
                                 field("selector", label_selector()).doc("Its labels."),
                             })
                          .doc("The metric.");
  const Type measured = object({
      field("metric", metric).required(),
      field("target", target).required(),
  });
  const Type described = object({
      field("apiVersion", string()).doc("The group and version of the object's kind."),
      field("kind", string()).required().doc("The kind of the object."),
      field("name", string()).required().doc("The name of the object."),
  });
  const Type resource_name = string().doc("The resource, as in `cpu`.");
  return object({
      field("containerResource",
            object({
                field("container", string()).required().doc("The container of the pods."),
                field("name", resource_name).required(),
                field("target", target).required(),
            }))
          .doc("A resource of one container of each pod."),
      field("external", measured).doc("A metric of something outside."),
      field("object", object({
                          field("describedObject", described).required().doc("The object."),
                          field("metric", metric).required(),
                          field("target", target).required(),
                      }))
          .doc("A metric of an object."),
      field("pods", measured).doc("A metric of each pod."),
      field("resource", object({
                            field("name", resource_name).required(),
                            field("target", target).required(),
                        }))
          .doc("A resource of each pod."),
      field("type", string()).required().doc("Which of the fields it is: `Resource`, `Pods`, …."),
  });
}

}  // namespace sluice::api

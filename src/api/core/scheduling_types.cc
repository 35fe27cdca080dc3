// On which nodes pods run.

#include "api/core/pod_types.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// The two fields of every kind of affinity.
constexpr const char* kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";
constexpr const char* kRequired = "requiredDuringSchedulingIgnoredDuringExecution";

Type weight() { return int32().doc("How much it counts, from 1 to 100."); }

Type topology_key() { return string().doc("The label of nodes whose values tell places apart."); }

Type node_affinity() {
  const Type requirement = object({
      field("key", string()).required().doc("The label or field of the node."),
      field("operator", string()).required().doc("`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`."),
      field("values", list(string())).doc("What it is compared with."),
  });
  const Type term =
      object({
                 field("matchExpressions", list(requirement)).doc("Conditions on labels. All must hold."),
                 field("matchFields", list(requirement)).doc("Conditions on fields. All must hold."),
             })
          .atomic();
  const Type preference = object({
      field("preference", term).required().doc("Which nodes are meant."),
      field("weight", weight()).required(),
  });
  return object({
      field(kPreferred, list(preference)).doc("Nodes to prefer."),
      field(kRequired, object({field("nodeSelectorTerms", list(term))
                                   .required()
                                   .doc("Which nodes are meant. One of the terms must hold.")})
                           .atomic())
          .doc("The only nodes to run on."),
  });
}

// Towards pods, or away from them.
Type pod_affinity() {
  const Type term = object({
      field("labelSelector", label_selector()).doc("The other pods."),
      field("matchLabelKeys", list(string())).doc("Labels in which they equal this pod."),
      field("mismatchLabelKeys", list(string())).doc("Labels in which they differ from this pod."),
      field("namespaceSelector", label_selector()).doc("The namespaces of the other pods, by labels."),
      field("namespaces", list(string())).doc("More of these namespaces, by name."),
      field("topologyKey", topology_key()).required(),
  });
  const Type preference = object({
      field("podAffinityTerm", term).required().doc("Which pods, and how near."),
      field("weight", weight()).required(),
  });
  return object({
      field(kPreferred, list(preference)).doc("What to prefer."),
      field(kRequired, list(term)).doc("What must hold."),
  });
}

}  // namespace

Type affinity() {
  const Type pods = pod_affinity();
  return object({
                    field("nodeAffinity", node_affinity()).doc("Which nodes it is drawn to."),
                    field("podAffinity", pods).doc("Which pods it is drawn to."),
                    field("podAntiAffinity", pods).doc("Which pods it keeps away from."),
                })
      .doc("What draws the pod to nodes, and keeps it from others.");
}

Type toleration() {
  return object({
      field("effect", string()).doc("The effect of the taint. Empty: any."),
      field("key", string()).doc("The key of the taint. Empty: any."),
      field("operator", string()).doc("`Equal` compares with `value`, `Exists` takes any."),
      field("tolerationSeconds", int64()).doc("How long a taint that evicts is tolerated. Unset: for ever."),
      field("value", string()).doc("The value of the taint."),
  });
}

Type topology_spread_constraint() {
  return object({
      field("labelSelector", label_selector()).doc("The pods that are counted."),
      field("matchLabelKeys", list(string())).doc("Labels in which they equal this pod."),
      field("maxSkew", int32()).required().doc("By how many pods places may differ."),
      field("minDomains", int32()).doc("How many places there must be at least."),
      field("nodeAffinityPolicy", string()).doc("Whether nodes count that its affinity rules out."),
      field("nodeTaintsPolicy", string()).doc("Whether nodes count whose taints it does not tolerate."),
      field("topologyKey", topology_key()).required(),
      field("whenUnsatisfiable", string())
          .required()
          .doc("`DoNotSchedule` or `ScheduleAnyway`, where no place keeps to it."),
  });
}

}  // namespace sluice::api

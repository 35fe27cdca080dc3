// What an EnvoyProxy says about the objects that run Envoy in a cluster.

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/core/pod_types.h"
#include "api/envoy_gateway/envoy_proxy.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr const char* kIsImage =
    R"(self.matches('^[a-zA-Z0-9._-]+(:[0-9]+)?(/[a-zA-Z0-9._/-]+)?(:[a-zA-Z0-9._-]+)?(@sha256:[a-z0-9]+)?$'))";
constexpr const char* kIsRepository = R"(self.matches('^[a-zA-Z0-9._-]+(:[0-9]+)?[a-zA-Z0-9._/-]+$'))";

Type patch() {
  return object({
                    field("type", string())
                        .doc("How it is merged: `StrategicMerge`, the default, or `JSONMerge`."),
                    field("value", any()).required().doc("The part of the object that is changed."),
                })
      .doc("A patch for the object, as it is made otherwise.");
}

Field name_of(const char* words) { return field("name", string()).doc(words); }

// ---- pods ------------------------------------------------------------------------------------------

Type envoy_container() {
  const Type image =
      string().with({.name = "image",
                     .cel = kIsImage,
                     .message = "an image is a repository, optionally with a tag and a digest"});
  const Type repository =
      string().with({.name = "image", .cel = kIsRepository, .message = "a repository has no tag"});
  return object({
                    field("env", list(env_var())).doc("Environment variables."),
                    field("image", image).doc("The image."),
                    field("imageRepository", repository)
                        .doc("The image without its tag, which is the default's."),
                    field("resources", resource_requirements()),
                    field("securityContext", container_security_context()),
                    field("volumeMounts", list(volume_mount())).doc("Volumes, and where they are."),
                })
      .with({.name = "image",
             .cel = "!has(self.image) || !has(self.imageRepository)",
             .message = "`image` and `imageRepository` are both set",
             .suggestion = "keep one of the two",
             .blame = "imageRepository"})
      .doc("Settings of Envoy's container.");
}

Type envoy_pod() {
  return object(
             {
                 field("affinity", affinity()),
                 field("annotations", map(string())).doc("Annotations of the pods."),
                 field("imagePullSecrets", list(local_name_reference())).doc("Secrets to fetch images with."),
                 field("labels", map(string())).doc("Labels of the pods."),
                 field("nodeSelector", map(string())).doc("Labels of the nodes to run on."),
                 field("priorityClassName", string()).doc("The priority class."),
                 field("securityContext", pod_security_context()),
                 field("tolerations", list(toleration())).doc("Taints of nodes that keep no pod away."),
                 field("topologySpreadConstraints", list(topology_spread_constraint()))
                     .doc("How the pods spread over places."),
                 field("volumes", list(volume())).doc("The volumes that containers can mount."),
             })
      .doc("Settings of the pods.");
}

// What DaemonSets and Deployments have in common.
std::vector<Field> workload() {
  const Type rolling_update = object({
      field("maxSurge", int_or_string())
          .doc("How many pods there may be too many, as a number or in percent."),
      field("maxUnavailable", int_or_string())
          .doc("How many pods there may be too few, as a number or in percent."),
  });
  const Type strategy = object({
      field("rollingUpdate", rolling_update).doc("Settings of updates a few pods at a time."),
      field("type", string()).doc("Which kind of update it is, as in `RollingUpdate`."),
  });
  return {
      field("container", envoy_container()),
      name_of("The name of the object."),
      field("patch", patch()),
      field("pod", envoy_pod()),
      field("strategy", strategy).doc("How new pods replace old ones."),
  };
}

Type deployment(std::vector<Field> fields) {
  fields.push_back(field("initContainers", list(container())).doc("Containers that run before Envoy's."));
  fields.push_back(field("replicas", int32()).doc("How many pods there are."));
  return object(std::move(fields));
}

// ---- what stands beside them -----------------------------------------------------------------------

Type autoscaler() {
  const auto count = [](const char* field_name) {
    return int32().with({.name = "autoscaler",
                         .cel = "self > 0",
                         .message = fmt::format("`{}` must be more than 0", field_name)});
  };
  return object({
                    field("behavior", autoscaler_behavior()),
                    field("maxReplicas", count("maxReplicas"))
                        .required()
                        .doc("How many pods there are at most."),
                    field("metrics", list(autoscaler_metric())).doc("What the number of pods goes by."),
                    field("minReplicas", count("minReplicas")).doc("How many pods there are at least."),
                    name_of("The name of the autoscaler."),
                    field("patch", patch()),
                })
      .with({.name = "autoscaler",
             .cel = "!has(self.minReplicas) || self.maxReplicas >= self.minReplicas",
             .message = "`maxReplicas` is less than `minReplicas`",
             .blame = "maxReplicas"});
}

Type disruption_budget() {
  return object({
                    field("maxUnavailable", int_or_string())
                        .doc("How many pods may be away, as a number or in percent."),
                    field("minAvailable", int_or_string())
                        .doc("How many pods must be there, as a number or in percent."),
                    name_of("The name of the budget."),
                    field("patch", patch()),
                })
      .with({.name = "disruption-budget",
             .cel = "(has(self.minAvailable) && !has(self.maxUnavailable)) || (!has(self.minAvailable) && "
                    "has(self.maxUnavailable))",
             .message = "a budget has one of `minAvailable` and `maxUnavailable`"});
}

// What only a load balancer can have.
std::vector<Rule> service_rules() {
  std::vector<Rule> rules;
  for (const char* const member :
       {"allocateLoadBalancerNodePorts", "loadBalancerSourceRanges", "loadBalancerIP"}) {
    rules.push_back({.name = "load-balancer",
                     .cel = fmt::format("!has(self.{}) || self.type == 'LoadBalancer'", member),
                     .message = fmt::format("`{}` needs a Service of type `LoadBalancer`", member),
                     .blame = member});
  }
  return rules;
}

Type service() {
  const Type address = string().with(
      {.name = "load-balancer",
       .cel =
           R"x(self.matches(r"^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$"))x",
       .message = "`loadBalancerIP` must be an IPv4 address"});
  return object({
                    field("allocateLoadBalancerNodePorts", boolean())
                        .doc("Whether the Service gets ports of the nodes."),
                    field("annotations", map(string())).doc("Annotations of the Service."),
                    field("externalTrafficPolicy", enumeration({"Local", "Cluster"}))
                        .defaults_to("Local")
                        .doc("Whether connections stay on the node that they come to."),
                    field("labels", map(string())).doc("Labels of the Service."),
                    field("loadBalancerClass", string()).doc("The load balancer to use."),
                    field("loadBalancerIP", address).doc("The address to ask for."),
                    field("loadBalancerSourceRanges", list(string())).doc("The addresses that may connect."),
                    name_of("The name of the Service."),
                    field("patch", patch()),
                    field("type", enumeration({"ClusterIP", "LoadBalancer", "NodePort"}))
                        .defaults_to("LoadBalancer")
                        .doc("The type of the Service."),
                })
      .with(service_rules());
}

}  // namespace

Type kubernetes_provider() {
  const std::vector<Field> common = workload();
  return object({
                    field("envoyDaemonSet", object(common))
                        .doc("Settings of the DaemonSet, instead of a Deployment."),
                    field("envoyDeployment", deployment(common)).doc("Settings of the Deployment."),
                    field("envoyHpa", autoscaler()).doc("Settings of its autoscaler."),
                    field("envoyPDB", disruption_budget()).doc("Settings of its disruption budget."),
                    field("envoyService", service()).doc("Settings of its Service."),
                    field("envoyServiceAccount", object({name_of("The name of the account.")}))
                        .doc("Settings of its account."),
                    field("useListenerPortAsContainerPort", boolean())
                        .doc("Whether Envoy binds the ports that listeners name."),
                })
      .with({
          {.name = "provider",
           .cel =
               "((has(self.envoyDeployment) && !has(self.envoyDaemonSet)) || (!has(self.envoyDeployment) && "
               "has(self.envoyDaemonSet))) || (!has(self.envoyDeployment) && !has(self.envoyDaemonSet))",
           .message = "`envoyDeployment` and `envoyDaemonSet` are both set",
           .suggestion = "keep one of the two"},
          {.name = "provider",
           .cel = "((has(self.envoyHpa) && !has(self.envoyDaemonSet)) || (!has(self.envoyHpa) && "
                  "has(self.envoyDaemonSet))) || (!has(self.envoyHpa) && !has(self.envoyDaemonSet))",
           .message = "`envoyHpa` scales no DaemonSet"},
      });
}

}  // namespace sluice::api

#include "api/envoy_gateway/configuration.h"

#include "api/gateway_api/shared.h"

namespace sluice::api {

namespace {

using namespace schema;  // NOLINT: the declaration is written in its words
using Configuration = EnvoyGatewayConfiguration;

Type watch() {
  const Rule one_way{.name = "watch",
                     .cel = "!(has(self.namespaces) && has(self.namespaceSelector))",
                     .message = "`namespaces` and `namespaceSelector` cannot be together"};
  return object(
             {
                 field("type", enumeration({"Namespaces", "NamespaceSelector"}))
                     .passive()
                     .doc("Which of the two others counts: that which is there."),
                 field<&Configuration::watch, &KubernetesWatchMode::namespaces>("namespaces", list(string()))
                     .doc("Only objects of these namespaces, and of the one we run in, are looked at."),
                 field<&Configuration::watch, &KubernetesWatchMode::namespace_selector>("namespaceSelector",
                                                                                        label_selector())
                     .doc("Only objects of namespaces with these labels, and of the one we run in, are "
                          "looked at."),
             })
      .with(one_way);
}

Type leader_election() {
  return object({
      field<&Configuration::leader_election, &LeaderElection::lease_duration>("leaseDuration",
                                                                              gateway_duration())
          .doc("After so long without a word from the leader another may lead."),
      field<&Configuration::leader_election, &LeaderElection::renew_deadline>("renewDeadline",
                                                                              gateway_duration())
          .doc("A leader that gets no word through for so long does not lead any more."),
      field<&Configuration::leader_election, &LeaderElection::retry_period>("retryPeriod", gateway_duration())
          .doc("Between two tries to lead, or to go on leading."),
      field<&Configuration::leader_election, &LeaderElection::disable>("disable", boolean())
          .doc("There is one replica only, which leads."),
  });
}

Type kubernetes() {
  return object({
      flattened("watch", watch()).doc("Which namespaces are looked at."),
      flattened("leaderElection", leader_election()).doc("How one of several replicas becomes the leader."),
      flattened(
          "client",
          object({
              flattened("rateLimit", object({
                                         field<&Configuration::rate_limit, &KubernetesClientRateLimit::qps>(
                                             "qps", int32().at_least(1))
                                             .doc("Writes a second."),
                                         field<&Configuration::rate_limit, &KubernetesClientRateLimit::burst>(
                                             "burst", int32().at_least(1))
                                             .doc("Writes at once, after a while without."),
                                     }))
                  .doc("How fast is written to the API server."),
          }))
          .doc("How the API server is used."),
      field("cacheSyncPeriod", gateway_duration()).passive().doc("What is read needs no second look."),
      flattened("deploy", object({
                              field<&Configuration::deploy>(
                                  "type", enumeration({"ControllerNamespace", "GatewayNamespace"}))
                                  .defaults_to("ControllerNamespace")
                                  .doc("With the controller, or with their Gateway."),
                          }))
          .doc("Where Envoys are deployed."),
      flattened("shutdownManager", object({
                                       field<&Configuration::shutdown_image>("image", string())
                                           .doc("Its image, which has `sluice` in its PATH."),
                                   }))
          .doc("The container beside Envoy that has it drain."),
      field("proxyTopologyInjector", any()).doc("Whether pods of Envoys get the labels of their nodes."),
      field("rateLimitDeployment", any()).doc("How the rate limit service is deployed."),
      field("rateLimitHpa", any()).doc("How the rate limit service is scaled."),
      field("rateLimitPDB", any()).doc("How many pods of the rate limit service may be missing."),
  });
}

Type custom() {
  return object({
      flattened("resource",
                object({
                    field("type", enumeration({"File"})).passive().doc("Resources are in files."),
                    flattened("file", object({
                                          field<&Configuration::file_paths>("paths", list(string()))
                                              .doc("Files and folders, as with `-f`."),
                                      }))
                        .doc("Where they are."),
                }))
          .doc("Where resources come from."),
      field("infrastructure", any()).passive().doc("Envoys are processes of this machine."),
  });
}

}  // namespace

Type envoy_gateway_configuration_type() {
  return object({
      field("apiVersion", enumeration({"gateway.envoyproxy.io/v1alpha1"})).required().passive(),
      field("kind", enumeration({"EnvoyGateway"})).required().passive(),
      flattened("gateway", object({
                               field<&Configuration::controller_name>("controllerName", controller_name())
                                   .doc("GatewayClasses with this controller are ours."),
                           }))
          .doc("The Gateway API."),
      flattened(
          "provider",
          object({
              field<&Configuration::provider>("type", enumeration({"Kubernetes", "Custom"}))
                  .defaults_to("Kubernetes")
                  .doc("Whether resources come from an API server or from files."),
              flattened("kubernetes", kubernetes()).doc("The API server, and what runs in the cluster."),
              flattened("custom", custom()).doc("Files, and processes of this machine."),
          }))
          .doc("Where resources come from, and where Envoys run."),
      flattened(
          "logging",
          object({
              flattened("level", object({
                                            field<&Configuration::log_level>(
                                                "default", enumeration({"debug", "info", "error", "warn"}))
                                                .doc("Lines below it are left out."),
                                        })
                                     .preserving_unknown())
                  .doc("How much is logged, by part; we have one."),
              field("encoder", enumeration({"Text", "JSON"})).passive().doc("We log JSON."),
          }))
          .doc("What is logged."),
      flattened("extensionApis",
                object({
                    field<&Configuration::enable_envoy_patch_policy>("enableEnvoyPatchPolicy", boolean())
                        .doc("Whether EnvoyPatchPolicies may change what Envoy is sent."),
                    field<&Configuration::enable_backend>("enableBackend", boolean())
                        .doc("Whether the kind Backend may be used."),
                    field<&Configuration::disable_lua>("disableLua", boolean())
                        .doc("Whether EnvoyExtensionPolicies with scripts are refused."),
                }))
          .doc("Kinds that reach far."),
      field("admin", any()).doc("The admin server."),
      field("telemetry", any()).doc("Metrics and traces of the controller."),
      field("xdsServer", any()).doc("The server of Envoy's resources."),
      field("rateLimit", any()).doc("The rate limit service."),
      field("extensionManager", any()).doc("A program that changes what Envoy is sent."),
      field("extensionManagers", any()).doc("Programs that change what Envoy is sent."),
      field("runtimeFlags", any()).doc("Features that are switched one by one."),
      field("gatewayAPI", any()).doc("Experimental kinds of the Gateway API."),
      field("envoyProxy", any()).doc("The EnvoyProxy of classes that name none."),
  });
}

}  // namespace sluice::api

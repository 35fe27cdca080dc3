#include "translate/tables.h"

namespace sluice::translate {

Inputs Inputs::declare(flow::Graph& graph) {
  return {graph.input<NamespacedName, api::GatewayClass>("GatewayClass"),
          graph.input<NamespacedName, api::Gateway>("Gateway"),
          graph.input<NamespacedName, api::ListenerSet>("ListenerSet"),
          graph.input<NamespacedName, api::HTTPRoute>("HTTPRoute"),
          graph.input<NamespacedName, api::GRPCRoute>("GRPCRoute"),
          graph.input<NamespacedName, api::TLSRoute>("TLSRoute"),
          graph.input<NamespacedName, api::TCPRoute>("TCPRoute"),
          graph.input<NamespacedName, api::UDPRoute>("UDPRoute"),
          graph.input<NamespacedName, api::ReferenceGrant>("ReferenceGrant"),
          graph.input<NamespacedName, api::BackendTLSPolicy>("BackendTLSPolicy"),
          graph.input<NamespacedName, api::Backend>("Backend"),
          graph.input<NamespacedName, api::EnvoyProxy>("EnvoyProxy"),
          graph.input<NamespacedName, api::EnvoyExtensionPolicy>("EnvoyExtensionPolicy"),
          graph.input<NamespacedName, api::EnvoyPatchPolicy>("EnvoyPatchPolicy"),
          graph.input<NamespacedName, api::ExtendedRouteFilter>("HTTPRouteFilter"),
          graph.input<NamespacedName, api::Namespace>("Namespace"),
          graph.input<NamespacedName, api::Service>("Service"),
          graph.input<NamespacedName, api::EndpointSlice>("EndpointSlice"),
          graph.input<NamespacedName, api::Secret>("Secret"),
          graph.input<NamespacedName, api::ConfigMap>("ConfigMap"),
          graph.input<NamespacedName, api::ClusterTrustBundle>("ClusterTrustBundle"),
          graph.input<NamespacedName, api::ServiceImport>("ServiceImport"),
          graph.input<NamespacedName, api::Pod>("Pod"),
          graph.input<NamespacedName, api::InferencePool>("InferencePool"),
          graph.input<NamespacedName, api::InferenceObjective>("InferenceObjective"),
          graph.input<NamespacedName, api::InferenceModelRewrite>("InferenceModelRewrite"),
          graph.input<NamespacedName, api::XBackend>("XBackend"),
          graph.input<NamespacedName, api::XBackendTrafficPolicy>("XBackendTrafficPolicy")};
}

}  // namespace sluice::translate

// The tables that translation reads. Declared in control/tables; a stage may only read those declared before
// it.
#pragma once

#include "api/kinds.h"
#include "flow/graph.h"
#include "translate/rows.h"

namespace sluice::translate {

template <typename T>
using Resources = flow::Input<NamespacedName, T>;

// The user's objects.
struct Inputs {
  Resources<api::GatewayClass>& gateway_classes;
  Resources<api::Gateway>& gateways;
  Resources<api::ListenerSet>& listener_sets;
  Resources<api::HTTPRoute>& http_routes;
  Resources<api::GRPCRoute>& grpc_routes;
  Resources<api::TLSRoute>& tls_routes;
  Resources<api::TCPRoute>& tcp_routes;
  Resources<api::UDPRoute>& udp_routes;
  Resources<api::ReferenceGrant>& reference_grants;
  Resources<api::BackendTLSPolicy>& backend_tls_policies;
  Resources<api::Backend>& backends;
  Resources<api::EnvoyProxy>& envoy_proxies;
  Resources<api::EnvoyExtensionPolicy>& envoy_extension_policies;
  Resources<api::EnvoyPatchPolicy>& envoy_patch_policies;
  Resources<api::ExtendedRouteFilter>& http_route_filters;
  Resources<api::Namespace>& namespaces;
  Resources<api::Service>& services;
  Resources<api::EndpointSlice>& endpoint_slices;
  Resources<api::Secret>& secrets;
  Resources<api::ConfigMap>& config_maps;
  Resources<api::ClusterTrustBundle>& cluster_trust_bundles;
  Resources<api::ServiceImport>& service_imports;
  Resources<api::Pod>& pods;
  Resources<api::InferencePool>& inference_pools;
  Resources<api::InferenceObjective>& inference_objectives;
  Resources<api::InferenceModelRewrite>& inference_model_rewrites;
  Resources<api::XBackend>& x_backends;
  Resources<api::XBackendTrafficPolicy>& x_backend_traffic_policies;

  static Inputs declare(flow::Graph& graph);
};

inline const std::string kHost = "host";

// What the stages read besides: projections, so that a change that does not matter to a reader does not rerun
// it.
struct Projections {
  const flow::Table<NamespacedName, ClassRow>& classes;
  const flow::Index<std::string, NamespacedName, api::GatewayClass>& classes_of;  // by controller
  const flow::Table<NamespacedName, api::StringMap>& namespace_labels;
  const flow::Index<std::string, NamespacedName, api::ReferenceGrant>& grants_in;  // by the grants' namespace
  const flow::Table<NamespacedName, CertificateRow>& certificates;
  const flow::Table<ObjectKey, ServiceView>& services;        // and ServiceImports
  const flow::Table<ObjectKey, ServiceReadiness>& readiness;  // and of InferencePools
  const flow::Table<NamespacedName, BackendRow>& backends;
  const flow::Table<NamespacedName, BackendRow>& x_backends;
  const flow::Table<NamespacedName, PoolView>& pools;
  const flow::Table<NamespacedName, ir::AnswersShown>& picker_answers;  // of pools whose picker sees not all
  const flow::Table<NamespacedName, ExtendedFilterRow>& extended_filters;  // HTTPRouteFilters
  const flow::Index<ObjectKey, NamespacedName, BackendTlsPolicyRow>& backend_tls_policies_of;  // by target
  const flow::Index<ObjectKey, NamespacedName, TrafficPolicyRow>& traffic_policies_of;         // by target
  const flow::Index<NameGroup, ObjectKey, Named>& names;
  // Objects that are in the files, with a mistake of their own. For suggestions only.
  const flow::Table<ObjectKey, Named>& unusable;
  const flow::Table<std::string, HostAddresses>& host;  // one row, kHost; none where no host is known
};

}  // namespace sluice::translate

// One function a kind: its schema, bound to its struct of types.h. kinds.cc is the list that collects them.
//
// Names, types, limits, patterns and defaults are those of the upstream schemas: Gateway API v1.6.1
// (experimental channel), Envoy Gateway v1.9, the Inference Extension v1.6, llm-d, Kubernetes v1.33 for the
// core kinds. declarations_test.cc compares.
//
// Threads: pure functions; each call builds the tables anew.
#pragma once

#include "schema/type.h"

namespace sluice::api {

// gateway.networking.k8s.io
schema::Type gateway_class_type();
schema::Type gateway_type();
schema::Type listener_set_type();
schema::Type http_route_type();
schema::Type grpc_route_type();
schema::Type tls_route_type();  // v1 and v1alpha3; in v1alpha2 hostnames may be absent, rules many
schema::Type tls_route_v1alpha2_type();
schema::Type tcp_route_type();  // v1; in v1alpha2 there may be many rules
schema::Type tcp_route_v1alpha2_type();
schema::Type udp_route_type();
schema::Type udp_route_v1alpha2_type();
schema::Type reference_grant_type();
schema::Type backend_tls_policy_type();

// gateway.networking.x-k8s.io
schema::Type x_backend_type();
schema::Type x_backend_traffic_policy_type();

// gateway.envoyproxy.io
schema::Type backend_type();
schema::Type envoy_proxy_type();
schema::Type envoy_extension_policy_type();
schema::Type envoy_patch_policy_type();
schema::Type http_route_filter_type();

// Kubernetes
schema::Type namespace_type();
schema::Type service_type();
schema::Type endpoint_slice_type();
schema::Type pod_type();
schema::Type secret_type();
schema::Type config_map_type();
schema::Type cluster_trust_bundle_type();

// inference.networking.k8s.io
schema::Type inference_pool_type();

// llm-d.ai
schema::Type inference_objective_type();
schema::Type inference_model_rewrite_type();

// multicluster.x-k8s.io
schema::Type service_import_type();

// metadata, bound to ObjectMeta, of a kind whose names follow `name`. The uid is kept where other objects are
// owned by it.
schema::Type metadata_type(const schema::Pattern& name, std::size_t max_name_length, bool with_uid = false);

}  // namespace sluice::api

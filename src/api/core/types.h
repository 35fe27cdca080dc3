// The Kubernetes kinds that routing reads: Namespace, Service, EndpointSlice, Secret, ConfigMap,
// ClusterTrustBundle, Pod, and ServiceImport of the multi-cluster API.
// Fields that translation never reads are checked by the schema and not bound.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/meta.h"

namespace sluice::api {

struct Namespace {
  ObjectMeta metadata;

  bool operator==(const Namespace&) const = default;
};

struct ServicePort {
  std::string name;
  std::string protocol = "TCP";
  std::string app_protocol;
  std::int32_t port = 0;

  bool operator==(const ServicePort&) const = default;
};

struct ServiceSpec {
  std::string type = "ClusterIP";  // ClusterIP | NodePort | LoadBalancer | ExternalName
  std::string cluster_ip;          // "None" for a headless Service
  std::string external_name;
  std::vector<ServicePort> ports;
  std::string traffic_distribution;
  bool publish_not_ready_addresses = false;

  bool operator==(const ServiceSpec&) const = default;
};

struct Service {
  ObjectMeta metadata;
  ServiceSpec spec;

  bool operator==(const Service&) const = default;
};

struct EndpointConditions {
  // Absent counts as true for ready and serving, as false for terminating (discovery.k8s.io/v1).
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;

  bool operator==(const EndpointConditions&) const = default;
};

struct SliceEndpoint {
  std::vector<std::string> addresses;
  EndpointConditions conditions;
  std::string zone;

  bool operator==(const SliceEndpoint&) const = default;
};

struct EndpointPort {
  std::string name;
  std::string protocol = "TCP";
  std::string app_protocol;
  std::optional<std::int32_t> port;

  bool operator==(const EndpointPort&) const = default;
};

// Belongs to the Service that its label kubernetes.io/service-name names (or to a ServiceImport, by
// multicluster.kubernetes.io/service-name).
struct EndpointSlice {
  ObjectMeta metadata;
  std::string address_type;  // IPv4 | IPv6 | FQDN
  std::vector<SliceEndpoint> endpoints;
  std::vector<EndpointPort> ports;

  bool operator==(const EndpointSlice&) const = default;
};

struct PodCondition {
  std::string type;
  std::string status;  // True | False | Unknown

  bool operator==(const PodCondition&) const = default;
};

struct PodStatus {
  std::string pod_ip;
  std::vector<PodCondition> conditions;

  bool operator==(const PodStatus&) const = default;
};

// A server of an InferencePool, which finds it by its labels. What it runs is not read.
struct Pod {
  ObjectMeta metadata;
  PodStatus status;

  bool operator==(const Pod&) const = default;
};

struct Secret {
  ObjectMeta metadata;
  std::string type;
  StringMap data;  // decoded from base64; stringData merged over it

  bool operator==(const Secret&) const = default;
};

struct ConfigMap {
  ObjectMeta metadata;
  StringMap data;
  StringMap binary_data;  // decoded from base64

  bool operator==(const ConfigMap&) const = default;
};

struct ClusterTrustBundleSpec {
  std::string trust_bundle;  // PEM

  bool operator==(const ClusterTrustBundleSpec&) const = default;
};

// CA certificates, for everybody in the cluster. Not in a namespace.
struct ClusterTrustBundle {
  ObjectMeta metadata;
  ClusterTrustBundleSpec spec;

  bool operator==(const ClusterTrustBundle&) const = default;
};

// A Service of another cluster (multicluster.x-k8s.io, KEP-1645). Its ports are those of a Service, and its
// EndpointSlices name it by a label of their own.
struct ServiceImportSpec {
  std::string type = "ClusterSetIP";  // ClusterSetIP | Headless
  std::vector<std::string> ips;
  std::vector<ServicePort> ports;

  bool operator==(const ServiceImportSpec&) const = default;
};

struct ServiceImport {
  ObjectMeta metadata;
  ServiceImportSpec spec;

  bool operator==(const ServiceImport&) const = default;
};

}  // namespace sluice::api

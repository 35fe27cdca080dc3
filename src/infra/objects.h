// The Kubernetes objects that run the Envoys of one proxy: a ServiceAccount, a ConfigMap, a Deployment or
// DaemonSet, a Service, and where the EnvoyProxy asks for them a HorizontalPodAutoscaler and a
// PodDisruptionBudget.
//
// Names, labels, annotations, ports, probes, security contexts and defaults are those of Envoy Gateway v1.9
// (its internal/infrastructure/kubernetes/proxy and api/v1alpha1), so that dashboards, alerts and selectors
// go on working. Where they differ, users are better off:
//
// - what selects pods never comes from labels that users change: neither is a Deployment refused for it, nor
//   is a Service without pods while new ones start;
// - names and label values that Kubernetes would refuse are shortened, and keep apart by a hash;
// - the order of listeners makes no difference;
// - a pod serves in its first second, not in its tenth (infra/pod.cc).
//
// An object whose settings cannot be carried out (a patch that does not apply) is left as it is in the
// cluster: it is withheld, with a problem at the field of the EnvoyProxy. So is a Service without ports,
// which no API server takes, and whose address would be lost with it.
//
// Equal requests make equal objects. They are for server-side apply: what the EnvoyProxy does not say, and we
// have no wish about, is not in them.
//
// Threads: a pure function.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/envoy_gateway/types.h"
#include "base/object_key.h"
#include "base/problem.h"
#include "ir/ir.h"
#include "tree/tree.h"

namespace sluice::infra {

// Where the objects of a proxy are: with the control plane, or with the Gateway. Those of merged Gateways are
// always with the control plane.
enum class Mode : std::uint8_t { kControllerNamespace, kGatewayNamespace };

// What the control plane was started with, as far as it matters here.
struct Settings {
  // The value of the label kControllerLabel of all objects; see controller_label(). Empty: they have none.
  std::string controller;
  Mode mode = Mode::kControllerNamespace;
  std::string controller_namespace = "sluice-system";
  // The Service in that namespace at which Envoys find us. Our certificate has this name, without more.
  std::string service = "sluice";
  std::uint16_t xds_port = 18'000;  // Envoy Gateway's
  std::string dns_domain = "cluster.local";
  std::string envoy_image = "docker.io/envoyproxy/envoy:distroless-v1.40.0";
  std::string shutdown_image = "docker.io/sluice/sluice:latest";  // has `sluice` in its PATH
  // With the control plane, Envoys show a certificate: this Secret there has tls.crt, tls.key and ca.crt.
  std::string certificate_secret = "envoy";
  // With their Gateway they show the token of their ServiceAccount, and know us by this.
  std::string ca_pem;

  bool operator==(const Settings&) const = default;
};

// Whose objects they are, of several controllers in a cluster: by all other labels they could be Envoy
// Gateway's.
inline constexpr std::string_view kControllerLabel = "sluice.dev/controller";
// Its value for a controller's name as GatewayClasses have it.
std::string controller_label(std::string_view controller_name);

struct Gateway {
  NamespacedName name;
  std::string uid;                     // for the owner reference; empty: there is none
  std::vector<std::string> addresses;  // IP addresses of spec.addresses
};

// What a listener needs of the Service.
struct Socket {
  std::string protocol;  // HTTP, HTTPS, TLS, TCP, UDP
  std::uint16_t port = 0;
  std::uint16_t container_port = 0;  // where Envoy binds it: see translate::kPrivilegedPortShift
};

struct Request {
  // The key, how the process is started, and the labels and annotations that Gateways have for what runs
  // it.
  ir::Proxy proxy;
  std::string gateway_class;
  std::string class_uid;                               // as Gateway::uid
  bool is_merged = false;                              // all Gateways of the class
  std::vector<Gateway> gateways;                       // one, where they are not merged
  std::vector<Socket> sockets;                         // several may share a port
  std::shared_ptr<const api::EnvoyProxy> envoy_proxy;  // null: there is none
  std::optional<Tree> metrics;                         // what its telemetry says of them
};

struct Object {
  ObjectKey key;
  nlohmann::json document;  // with apiVersion, kind and metadata

  bool operator==(const Object&) const = default;
};

struct Result {
  std::vector<Object> objects;      // in the order in which they are to be made
  std::vector<ObjectKey> withheld;  // wanted, and to be left as they are
  std::vector<Problem> problems;    // of the EnvoyProxy

  bool operator==(const Result&) const = default;
};

Result make_objects(const Request& request, const Settings& settings);

}  // namespace sluice::infra

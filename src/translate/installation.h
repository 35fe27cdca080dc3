// What a cluster has of the objects that run a proxy, and what that says of the Gateways that it serves:
// where they are reached, and whether they are programmed. As Envoy Gateway v1.9 has it, but for two things:
// an address that is asked for counts as usable where the Service has it, by whatever way; and the condition
// does not count pods, so that it stays as it is while these come and go.
//
// Threads: plain values; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

struct ServiceState {
  std::string type;                       // ClusterIP, NodePort, LoadBalancer
  std::vector<std::string> cluster_ips;   // none of a headless one
  std::vector<std::string> external_ips;  // that it was given
  std::vector<std::string> ingress;       // addresses and names of its load balancer
  bool ipv4 = false;
  bool ipv6 = false;

  bool operator==(const ServiceState&) const = default;
};

struct Installation {
  std::optional<ServiceState> service;
  std::int64_t available = 0;  // pods that serve
  std::string fault;           // what of it cannot be made, and why; a sentence, or empty

  bool operator==(const Installation&) const = default;
};

// By which nodes are reached from outside, or from one another where they have nothing else.
struct NodeAddresses {
  std::vector<std::string> ipv4;
  std::vector<std::string> ipv6;

  bool operator==(const NodeAddresses&) const = default;
};

// More addresses than a status has room for are left out.
inline constexpr std::size_t kMaxAddresses = 16;

// Sets the addresses and the conditions of a Gateway. `installation` is null as long as the cluster's objects
// are not known. `fault` is what keeps the proxy from serving, or empty. What is said of it already stays.
void add_installation(ObjectStatus& status, const api::Gateway& gateway, const GatewayPlan& plan,
                      const Installation* installation, const NodeAddresses* nodes, const std::string& fault);

}  // namespace sluice::translate

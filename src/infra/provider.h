// spec.provider.kubernetes of an EnvoyProxy, with defaults. Its schema (api/envoy_gateway/
// kubernetes_provider.cc) has been checked; what it holds of Kubernetes' own types is handed on as it is.
//
// Threads: plain values; pure functions.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "api/envoy_gateway/types.h"
#include "base/problem.h"

namespace sluice::infra {

// A part of the provider: an object, empty where the user has none.
struct Part {
  std::string path;  // "spec.provider.kubernetes.envoyService"
  nlohmann::json value = nlohmann::json::object();
  bool is_there = false;

  // The member, or null.
  nlohmann::json find(const char* member) const;
  nlohmann::json find(const char* member, const char* below) const;
  std::string text(const char* member, std::string otherwise) const;
};

struct Provider {
  Part workload;  // envoyDeployment, or envoyDaemonSet where that is there
  bool is_daemon_set = false;
  Part service;
  Part autoscaler;
  Part disruption_budget;
  Part account;
};

Provider read_provider(const api::EnvoyProxy* envoy_proxy);

// A Tree, in which members that are null are absent, as for an API server.
nlohmann::json to_document(const Tree& tree);

}  // namespace sluice::infra

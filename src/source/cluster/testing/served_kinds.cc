#include "source/cluster/testing/served_kinds.h"

#include <string>

#include "api/definitions.h"

namespace sluice::source_testing {

using kube_testing::ServedResource;

ServedResource served(const api::KindInfo& kind, std::string_view version) {
  return {.group = std::string(kind.group),
          .version = std::string(version),
          .plural = std::string(api::resource_name_of(kind)),
          .kind = std::string(kind.kind),
          .namespaced = kind.is_namespaced,
          .built_in = kind.group.find('.') == std::string_view::npos};
}

std::vector<ServedResource> all_kinds(const std::set<std::string_view>& but) {
  std::vector<ServedResource> all;
  for (const api::KindInfo& kind : api::kinds()) {
    if (!but.contains(kind.kind)) all.push_back(served(kind, kind.versions.front()));
  }
  return all;
}

std::vector<ServedResource> all_kinds_and_leases() {
  std::vector<ServedResource> all = all_kinds();
  all.push_back({.group = "coordination.k8s.io", .version = "v1", .plural = "leases", .kind = "Lease"});
  return all;
}

std::vector<ServedResource> all_kinds_of_a_cluster() {
  std::vector<ServedResource> all = all_kinds_and_leases();
  const auto add = [&all](const char* group, const char* version, const char* plural, const char* kind) {
    all.push_back({.group = group, .version = version, .plural = plural, .kind = kind, .built_in = true});
  };
  add("", "v1", "serviceaccounts", "ServiceAccount");
  add("apps", "v1", "deployments", "Deployment");
  add("apps", "v1", "daemonsets", "DaemonSet");
  add("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
  add("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");
  add("", "v1", "nodes", "Node");
  all.back().namespaced = false;
  return all;
}

}  // namespace sluice::source_testing

// What a policy of this group is about: objects by their names, or by their labels. Each kind of policy has
// these fields beside its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/gateway_api/types.h"

namespace sluice::api {

// Objects of one kind, by their labels.
struct TargetSelector {
  std::string group = "gateway.networking.k8s.io";
  std::string kind;
  LabelSelector labels;                       // its fields stand beside the others in the text
  std::optional<RouteNamespaces> namespaces;  // absent: the policy's own

  bool operator==(const TargetSelector&) const = default;
};

struct PolicyTargets {
  std::optional<LocalPolicyTargetReference> target_ref;  // the old way to name one
  std::vector<LocalPolicyTargetReference> target_refs;
  std::vector<TargetSelector> target_selectors;

  // The objects that are named, either way.
  std::vector<LocalPolicyTargetReference> refs() const;

  bool operator==(const PolicyTargets&) const = default;
};

}  // namespace sluice::api

// What the policies of Envoy Gateway's group are attached to: objects by name, or by their labels.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

// Labels of what policies can be attached to, by kind and namespace.
using LabelIndex = flow::Index<TargetGroup, ObjectKey, api::StringMap>;

struct TargetRefs {
  std::vector<PolicyTarget>
      targets;                     // those that are named, in the user's order, then selected ones, by name
  std::vector<std::string> paths;  // of the field that each is from
  std::vector<Problem> problems;
};

TargetRefs read_targets(const ObjectKey& policy, const api::PolicyTargets& targets, const LabelIndex& labels,
                        const Projections& tables, flow::Reads& reads);

}  // namespace sluice::translate

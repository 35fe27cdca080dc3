// The declarations of what a policy is about (policy_targets.h).
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/envoy_gateway/policy_targets.h"
#include "schema/type.h"

namespace sluice::api {

schema::Type policy_target_ref();         // bound to LocalPolicyTargetReference
schema::Type policy_target_selectors();   // to std::vector<TargetSelector>
schema::Type merge_type(const char* of);  // to a string, of the kind that the rule names

// targetRef, targetRefs and targetSelectors, bound to the PolicyTargets that the member pointers lead to.
template <auto... kTargets>
std::vector<schema::Field> policy_target_fields() {
  using schema::field;
  return {
      field<kTargets..., &PolicyTargets::target_ref>("targetRef", policy_target_ref())
          .deprecated("targetRefs")
          .doc("The object that the policy is about. `targetRefs` replaces it."),
      field<kTargets..., &PolicyTargets::target_refs>("targetRefs", schema::list(policy_target_ref()))
          .doc("The objects that the policy is about."),
      field<kTargets..., &PolicyTargets::target_selectors>("targetSelectors", policy_target_selectors())
          .doc("The same by their labels."),
  };
}

// Which targets a policy can have.
struct PolicyTargetKinds {
  std::vector<std::string> all;
  std::vector<std::string> mergeable;  // with `mergeType`; empty: the kind of policies does not merge
};
std::vector<schema::Rule> policy_target_rules(const PolicyTargetKinds& kinds);

}  // namespace sluice::api

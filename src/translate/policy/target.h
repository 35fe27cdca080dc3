// Policies attach to their targets by an index: from an object to the policies that name it, or a section of
// it. Whoever translates a target looks its object up there, so that a policy reruns what it is about and
// nothing else; most objects have no policy, and one look-up says so for all of their sections.
//
// A kind of policy is a row type with `creation_timestamp` and `targets`, made from the policy alone by a
// stage, and three further tables: the index of those rows by target, the conflicts that come of it, and the
// statuses, which say at which ancestors (Gateways, mostly) the policy has been met. backend_tls.h is the
// pattern.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <compare>
#include <string>
#include <utility>
#include <vector>

#include "api/kinds.h"
#include "base/object_key.h"

namespace sluice::translate {

// An object, or a section of it: a port of a Service, a listener of a Gateway, a rule of a route.
struct PolicyTarget {
  ObjectKey object;
  std::string section;  // empty: all of it

  bool operator==(const PolicyTarget&) const = default;
  auto operator<=>(const PolicyTarget&) const = default;
};

inline bool is_among(const PolicyTarget& target, const std::vector<PolicyTarget>& targets) {
  return std::ranges::find(targets, target) != targets.end();
}

// What the index has a policy under.
inline std::vector<ObjectKey> objects_of(const std::vector<PolicyTarget>& targets) {
  std::vector<ObjectKey> objects;
  objects.reserve(targets.size());
  for (const PolicyTarget& target : targets) objects.push_back(target.object);
  return objects;
}

inline PolicyTarget policy_target(const std::string& policy_namespace,
                                  const api::LocalPolicyTargetReference& ref) {
  return {.object = {.kind = GroupKind(ref.group, ref.kind), .name = {policy_namespace, ref.name}},
          .section = ref.section_name.value_or("")};
}

}  // namespace sluice::translate

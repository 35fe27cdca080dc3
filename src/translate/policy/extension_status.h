// What is said of an EnvoyExtensionPolicy: problems of its targets, and its status.
//
// An ancestor is what a target is, a Gateway, a ListenerSet or a listener of either; or for a target that is
// a route, each parent of the route. Conditions are Envoy Gateway's: Accepted (also with the reasons
// TargetNotFound, Conflicted, Invalid, and ours Pending), Overridden and Merged, which tell from whom a
// policy has lost or to whom it has lent something, and Warning.
//
// Threads: pure functions.
#pragma once

#include "translate/attach.h"
#include "translate/policy/attachment.h"
#include "translate/policy/target_refs.h"
#include "translate/tables.h"

namespace sluice::translate {

// What both read besides the policy.
struct PolicyStatusEnvironment {
  const Inputs& inputs;
  const flow::Table<ObjectKey, api::StringMap>& labels;  // a row each for all that can be targets
  const LabelIndex& labels_of;                           // for suggestions of names
  const AttachTable& parents;
  const flow::Table<NamespacedName, GatewayPlan>& gateways;  // that are served
  const flow::Table<ObjectKey, RouteResult>& routes;
  // Those that have policies of their own, by parent and by the Gateway of each.
  const flow::Index<ObjectKey, ObjectKey, RouteResult>& routes_with_policies;
  const ExtensionPolicyIndex& policies;
  const flow::Table<XdsKey, std::string>& refused_clusters;  // that a proxy did not take, and its words
};

PolicyProblems check_extension_policy(const NamespacedName& name, const ExtensionPolicyRow& row,
                                      const PolicyStatusEnvironment& environment, flow::Reads& reads);

ObjectStatus extension_policy_status(const NamespacedName& name, const api::EnvoyExtensionPolicy& policy,
                                     const ExtensionPolicyRow& row,
                                     const PolicyStatusEnvironment& environment, flow::Reads& reads);

}  // namespace sluice::translate

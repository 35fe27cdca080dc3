// EnvoyPatchPolicy: changes of the resources that Envoy is sent, as the last thing before they go.
//
// A policy is read by itself (read_patch_policy): which proxy it is for, its operations, and what is wrong
// with them whatever they are about. With the plan of the proxy, its names are found (place_patches): Envoy
// Gateway's names of listeners, route tables and certificates are other names of ours. Whoever renders a
// resource looks for its patches (control/tables/patches.h) and tells what came of them (PatchFault), which
// the policy's problems and status say.
//
// Rules share clusters; in Envoy Gateway each has one of its own,
// "httproute/<namespace>/<route>/rule/<index>"; routes of connections have "tcproute/…/rule/-1". A rule, and
// its mirrors, have that, too, once a policy mentions it, so that a patch of it is no other rule's business.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "patch/patch.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

struct ResourcePatch {
  std::size_t index = 0;  // of spec.jsonPatches
  api::EnvoyResourceType type = api::EnvoyResourceType::kListener;
  std::string name;    // as the user has it; of a whole resource, as its value has it
  bool whole = false;  // adds the resource
  patch::Operation operation;

  bool operator==(const ResourcePatch&) const = default;
};

struct PatchPolicyRow {
  std::string creation_timestamp;
  std::int32_t priority = 0;          // the lower ones go first
  std::optional<ir::ProxyKey> proxy;  // none: there is no such target
  api::ParentReference ancestor;
  std::shared_ptr<const std::vector<ResourcePatch>> patches;  // never null; none where they are not to apply
  std::vector<std::pair<ObjectKey, std::uint32_t>> own_clusters;  // of which rules (TCPRoutes: 0); sorted
  Conditions conditions;
  std::vector<Problem> problems;

  bool operator==(const PatchPolicyRow& o) const {
    return creation_timestamp == o.creation_timestamp && priority == o.priority && proxy == o.proxy &&
           ancestor == o.ancestor && *patches == *o.patches && own_clusters == o.own_clusters &&
           conditions == o.conditions && problems == o.problems;
  }
};

// By the routes whose rules they give clusters of their own.
using OwnClusterIndex = flow::Index<ObjectKey, NamespacedName, PatchPolicyRow>;
using GatewaysByProxy = flow::Index<ir::ProxyKey, NamespacedName, GatewayPlan>;

PatchPolicyRow read_patch_policy(const NamespacedName& name, const api::EnvoyPatchPolicy& policy,
                                 const Settings& settings, const GatewaysByProxy& gateways,
                                 const Projections& tables, flow::Reads& reads);

// Where there was a last good version, and where not: see refusal.h.
PatchPolicyRow served_instead(PatchPolicyRow last_good, const ObjectKey& policy, const std::string& message,
                              bool guilty);
PatchPolicyRow served_hardly(PatchPolicyRow refused, const ObjectKey& policy, const std::string& message,
                             bool guilty);

// The rules of a route that have clusters of their own in a proxy; sorted.
std::vector<std::uint32_t> rules_with_own_clusters(const ObjectKey& route, const ir::ProxyKey& proxy,
                                                   const OwnClusterIndex& policies, flow::Reads& reads);
// Of a rule, or a route of connections; of one of a rule's backends where these cannot be one cluster.
std::string own_cluster_name(const ObjectKey& route, std::size_t rule);
std::string own_cluster_name(const ObjectKey& route, std::size_t rule, std::size_t backend);

// A policy's patches, and of each the resource of ours.
struct PlacedPatches {
  std::int32_t priority = 0;
  std::string creation_timestamp;
  ir::ProxyKey proxy;
  std::shared_ptr<const std::vector<ResourcePatch>> patches;
  std::vector<std::string> names;  // as many

  bool operator==(const PlacedPatches& o) const {
    return priority == o.priority && creation_timestamp == o.creation_timestamp && proxy == o.proxy &&
           (patches == o.patches || *patches == *o.patches) && names == o.names;
  }
};
std::optional<PlacedPatches> place_patches(const PatchPolicyRow& row, const ProxyPlan* plan);

// In the order in which they apply.
bool applies_before(const NamespacedName& a, const PlacedPatches& row_a, const NamespacedName& b,
                    const PlacedPatches& row_b);

// Why patches of a policy have no effect on a resource.
struct PatchFault {
  NamespacedName policy;
  std::size_t index = 0;  // of spec.jsonPatches: the one that is at fault
  bool missing = false;   // there is no such resource; the rest is empty
  patch::Failure failure;

  bool operator==(const PatchFault&) const = default;
};

// What the proxies have, for those who look for something that is not there.
struct PatchNames {
  const flow::Table<ir::ProxyKey, ProxyPlan>& proxies;
  const flow::Index<ir::ProxyKey, XdsKey, ClusterRow>& clusters;
};
PolicyProblems patch_problems(const NamespacedName& name, const PlacedPatches& placed,
                              const std::vector<const PatchFault*>& faults, const Inputs& inputs,
                              const Projections& tables, const PatchNames& names, flow::Reads& reads);

ObjectStatus patch_policy_status(const api::EnvoyPatchPolicy& policy, const PatchPolicyRow& row,
                                 const std::vector<const PatchFault*>& faults);

}  // namespace sluice::translate

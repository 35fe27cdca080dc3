// EnvoyPatchPolicies: what users change of the resources that proxies are sent.
//
// Policies are read before routes are, for they have rules get clusters of their own. The resources that have
// patches are rendered once more, from what was rendered of them, and these lie over the tables of all: a
// resource without patches is looked at by nobody.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "control/tables/gateways.h"
#include "translate/policy/patch_policy.h"
#include "xds/render.h"

namespace sluice::control::tables {

struct RouteTables;
struct Resources;

struct Patches {
  Patches(Graph& graph, const translate::Settings& settings, const Inputs& in,
          const translate::Projections& projections, const Gateways& gateways);

  const Table<NamespacedName, translate::PatchPolicyRow>& policies;
  const translate::OwnClusterIndex& own_clusters;  // by route
  const Table<NamespacedName, translate::PlacedPatches>& placed;
};

// What patches make of a resource.
struct PatchedResource {
  std::shared_ptr<const Rendered> rendered;  // null: they have no effect
  std::vector<translate::PatchFault> faults;

  bool operator==(const PatchedResource& o) const {
    const bool same = rendered == o.rendered || (rendered && o.rendered && *rendered == *o.rendered);
    return same && faults == o.faults;
  }
};

struct PatchedResources {
  struct OfType {
    const Index<XdsKey, NamespacedName, translate::PlacedPatches>& patches_of;
    const Table<XdsKey, PatchedResource>& patched;
    const RenderedTable& in_place;
    const RenderedTable& all;  // with those that nobody patches
  };

  PatchedResources(Graph& graph, const Inputs& in, const translate::Projections& projections,
                   const Gateways& gateways, const Patches& patches, const RouteTables& route_tables,
                   const Resources& resources);

  const OfType& of(xds::ResourceType type) const { return types[static_cast<std::size_t>(type)]; }

  const std::array<OfType, xds::kResourceTypes> types;
  const Index<ir::ProxyKey, XdsKey, translate::ClusterRow>& clusters_of;  // for suggestions
  const Table<NamespacedName, translate::PolicyProblems>& problems;
};

// The faults of a policy's patches, by their index.
std::vector<const translate::PatchFault*> faults_of(const NamespacedName& policy,
                                                    const translate::PlacedPatches& placed,
                                                    const PatchedResources& patched, Reads& reads);

// The aggregate of a resource (pipeline.h: Contributor).
std::string aggregate_of(xds::ResourceType type, const XdsKey& key);
xds::ResourceType resource_type(api::EnvoyResourceType type);

}  // namespace sluice::control::tables

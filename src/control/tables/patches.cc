#include "control/tables/patches.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "control/tables/render.h"
#include "control/tables/resources.h"
#include "control/tables/route_tables.h"
#include "control/tables/unless_refused.h"
#include "translate/upstream_names.h"
#include "xds/document.h"

namespace sluice::control::tables {

using nlohmann::json;
using translate::PatchFault;
using translate::PatchPolicyRow;
using translate::PlacedPatches;
using translate::ResourcePatch;
using xds::ResourceType;

namespace {

// A policy's patches of one resource.
struct PatchSet {
  const NamespacedName* policy;
  const PlacedPatches* placed;
  std::vector<const ResourcePatch*> patches;  // in the user's order; at least one
};

std::vector<PatchSet> sets_of(ResourceType type, const XdsKey& key,
                              const flow::GroupRows<NamespacedName, PlacedPatches>& policies) {
  std::vector<PatchSet> sets;
  for (const auto& [name, placed] : policies) {
    PatchSet& set = sets.emplace_back(PatchSet{&name, &placed, {}});
    for (std::size_t i = 0; i < placed.patches->size(); ++i) {
      const ResourcePatch& patch = (*placed.patches)[i];
      if (resource_type(patch.type) == type && placed.names[i] == key.name) set.patches.push_back(&patch);
    }
  }
  std::ranges::sort(sets, [](const PatchSet& a, const PatchSet& b) {
    return translate::applies_before(*a.policy, *a.placed, *b.policy, *b.placed);
  });
  return sets;
}

// A resource on its way through the policies: each has all of its patches take effect, or none.
class Patching {
 public:
  Patching(ResourceType type, const XdsKey& key, const Rendered* base, json document)
      : type_(type), key_(key), base_(base), document_(std::move(document)) {}

  void apply(const PatchSet& set) {
    json changed = document_;
    for (const ResourcePatch* patch : set.patches) {
      if (changed.is_null() && !patch->whole) return fault(set, *patch, true);
      const auto done = patch::carry_out(patch->operation, changed, type_ == ResourceType::kSecret);
      if (!done) return fault(set, *patch, false, done.error());
    }
    auto resource = xds::from_document(type_, changed);
    if (!resource) return blame(set, resource.error());
    if (resource->name != key_.name) {
      return fault(set, *set.patches.back(), false,
                   {.field = "value",
                    .message = "a resource keeps its name",
                    .suggestion = "add another resource, with `path: \"\"`"});
    }
    document_ = std::move(changed);
    resource_ = *std::move(resource);
  }

  PatchedResource take() {
    PatchedResource made{.rendered = nullptr, .faults = std::move(faults_)};
    if (!resource_) return made;
    Rendered row = rendered(std::move(resource_->bytes));
    Rendered::Names names{.clusters = std::move(resource_->clusters),
                          .route_tables = std::move(resource_->route_tables)};
    // What cannot be seen in it, the services of extensions say, stays.
    const auto keep = [](std::vector<std::string>& all, const std::vector<std::string>& more) {
      all.insert(all.end(), more.begin(), more.end());
      std::ranges::sort(all);
      all.erase(std::ranges::unique(all).begin(), all.end());
    };
    if (base_ != nullptr && base_->names != nullptr) {
      keep(names.clusters, base_->names->clusters);
      keep(names.route_tables, base_->names->route_tables);
    }
    row.names = std::make_shared<const Rendered::Names>(std::move(names));
    made.rendered = std::make_shared<const Rendered>(std::move(row));
    return made;
  }

 private:
  void fault(const PatchSet& set, const ResourcePatch& patch, bool missing, patch::Failure failure = {}) {
    faults_.push_back(
        {.policy = *set.policy, .index = patch.index, .missing = missing, .failure = std::move(failure)});
  }

  // The first of the patches after which it is no resource any more.
  void blame(const PatchSet& set, xds::DocumentError error) {
    const ResourcePatch* guilty = set.patches.back();
    json changed = document_;
    for (const ResourcePatch* patch : set.patches) {
      if (!patch::carry_out(patch->operation, changed)) break;
      if (xds::from_document(type_, changed)) continue;
      guilty = patch;
      break;
    }
    const bool has_value = guilty->operation.value != nullptr;
    fault(set, *guilty, false,
          {.field = has_value ? "value" : "path",
           .message = std::move(error.message),
           .suggestion = std::move(error.suggestion)});
  }

  ResourceType type_;
  const XdsKey& key_;
  const Rendered* base_;
  json document_;
  std::optional<xds::Resource> resource_;
  std::vector<PatchFault> faults_;
};

// With the names that Envoy Gateway would give its parts.
json document_of_table(const XdsKey& key, const Rendered& table, const Gateways& gateways,
                       const RouteTables& route_tables, Reads& reads) {
  xds::NamesByDomain names;
  const translate::ProxyPlan* plan = reads.get(gateways.proxies, key.proxy);
  for (const auto& [host, row] : reads.group(route_tables.hosts_of, key.name)) {
    std::vector<std::pair<ObjectKey, const translate::Contribution*>> brought;
    for (const auto& [route, result] : reads.group(route_tables.routes_of, host)) {
      const auto at =
          std::ranges::lower_bound(result.contributions, host, {}, [](const auto& c) { return c.first; });
      brought.emplace_back(route, &at->second);
    }
    names.emplace(host.host, xds::NamedHost{.name = plan == nullptr ? host.host
                                                                    : translate::upstream_host_name(
                                                                          *plan, key.name, host.host),
                                            .routes = translate::upstream_route_names(host.host, brought)});
  }
  return xds::to_named_document(*table.bytes, names);
}

using ToDocument = std::function<json(const XdsKey&, const Rendered&, Reads&)>;

PatchedResources::OfType declare(Graph& graph, ResourceType type, const std::string& what,
                                 const RenderedTable& base, const Patches& patches, ToDocument to_document) {
  const auto& patches_of = graph.index("patches of " + what, patches.placed,
                                       [type](const NamespacedName&, const PlacedPatches& placed) {
                                         std::set<XdsKey> keys;
                                         for (std::size_t i = 0; i < placed.patches->size(); ++i) {
                                           if (resource_type((*placed.patches)[i].type) == type)
                                             keys.insert({placed.proxy, placed.names[i]});
                                         }
                                         return std::vector<XdsKey>(keys.begin(), keys.end());
                                       });
  const auto& patched = graph.group(
      "patched " + what, patches_of,
      [&patches_of, &base, type, to_document = std::move(to_document)](const XdsKey& key, Reads& reads) {
        const Rendered* present = reads.get(base, key);
        Patching patching(type, key, present,
                          present == nullptr ? json() : to_document(key, *present, reads));
        for (const PatchSet& set : sets_of(type, key, reads.group(patches_of, key))) patching.apply(set);
        return patching.take();
      });
  const RenderedTable& in_place =
      graph.map(what + " with patches", patched,
                [](const XdsKey&, const PatchedResource& resource) { return resource.rendered; });
  return {.patches_of = patches_of,
          .patched = patched,
          .in_place = in_place,
          .all = graph.overlay("all " + what, base, in_place)};
}

}  // namespace

ResourceType resource_type(api::EnvoyResourceType type) {
  switch (type) {
    case api::EnvoyResourceType::kListener:
      return ResourceType::kListener;
    case api::EnvoyResourceType::kRouteConfiguration:
      return ResourceType::kRoutes;
    case api::EnvoyResourceType::kCluster:
      return ResourceType::kCluster;
    case api::EnvoyResourceType::kClusterLoadAssignment:
      return ResourceType::kEndpoints;
    case api::EnvoyResourceType::kSecret:
      return ResourceType::kSecret;
  }
  std::abort();
}

std::string aggregate_of(ResourceType type, const XdsKey& key) {
  if (type == ResourceType::kListener) return key.proxy;
  if (type == ResourceType::kRoutes) return key.name;
  return key.proxy + " patches";
}

std::vector<const PatchFault*> faults_of(const NamespacedName& policy, const PlacedPatches& placed,
                                         const PatchedResources& patched, Reads& reads) {
  std::vector<const PatchFault*> faults;
  std::set<std::pair<ResourceType, std::string>> seen;
  for (std::size_t i = 0; i < placed.patches->size(); ++i) {
    const ResourceType type = resource_type((*placed.patches)[i].type);
    if (!seen.emplace(type, placed.names[i]).second) continue;
    const PatchedResource* resource = reads.get(patched.of(type).patched, {placed.proxy, placed.names[i]});
    if (resource == nullptr) continue;
    for (const PatchFault& fault : resource->faults) {
      if (fault.policy == policy) faults.push_back(&fault);
    }
  }
  std::ranges::sort(faults, {}, &PatchFault::index);
  return faults;
}

Patches::Patches(Graph& graph, const translate::Settings& settings, const Inputs& in,
                 const translate::Projections& projections, const Gateways& gateways)
    : policies(graph.map("patch policies", in.objects.envoy_patch_policies,
                         [&](const NamespacedName& name, const api::EnvoyPatchPolicy& policy, Reads& reads) {
                           return unless_refused(
                               in.refused, name, policy, reads, [&](const api::EnvoyPatchPolicy& version) {
                                 return translate::read_patch_policy(
                                     name, version, settings, gateways.gateways_of, projections, reads);
                               });
                         })),
      own_clusters(graph.index("clusters of rules by route", policies,
                               [](const NamespacedName&, const PatchPolicyRow& row) {
                                 std::set<ObjectKey> routes;
                                 for (const auto& [route, rule] : row.own_clusters) routes.insert(route);
                                 return std::vector<ObjectKey>(routes.begin(), routes.end());
                               })),
      placed(graph.map("placed patches", policies,
                       [&gateways](const NamespacedName&, const PatchPolicyRow& row, Reads& reads) {
                         return translate::place_patches(
                             row, row.proxy ? reads.get(gateways.proxies, *row.proxy) : nullptr);
                       })) {}

PatchedResources::PatchedResources(Graph& graph, const Inputs& in, const translate::Projections& projections,
                                   const Gateways& gateways, const Patches& patches,
                                   const RouteTables& route_tables, const Resources& resources)
    : types([&] {
        const auto plain = [](ResourceType type) -> ToDocument {
          return [type](const XdsKey&, const Rendered& row, Reads&) {
            return xds::to_document(type, *row.bytes);
          };
        };
        const auto of = [&](ResourceType type, const char* what, const RenderedTable& base) {
          return declare(graph, type, what, base, patches, plain(type));
        };
        // In the order of ResourceType.
        return std::array<OfType, xds::kResourceTypes>{
            of(ResourceType::kCluster, "clusters", resources.clusters),
            of(ResourceType::kEndpoints, "endpoints", resources.endpoints),
            of(ResourceType::kSecret, "secrets", resources.secrets),
            of(ResourceType::kListener, "listeners", resources.listeners),
            declare(graph, ResourceType::kRoutes, "route tables", route_tables.route_tables, patches,
                    [&](const XdsKey& key, const Rendered& row, Reads& reads) {
                      return document_of_table(key, row, gateways, route_tables, reads);
                    }),
            of(ResourceType::kExtension, "filters", resources.extensions)};
      }()),
      clusters_of(
          graph.index("clusters by proxy", resources.cluster_rows,
                      [](const XdsKey& key, const translate::ClusterRow&) { return key.proxy.text(); })),
      problems(graph.map("problems of patches", patches.placed,
                         [&, this](const NamespacedName& name, const PlacedPatches& placed, Reads& reads) {
                           return translate::patch_problems(
                               name, placed, faults_of(name, placed, *this, reads), in.objects, projections,
                               {gateways.proxies, clusters_of}, reads);
                         })) {}

}  // namespace sluice::control::tables

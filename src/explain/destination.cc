#include "explain/destination.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "explain/describe.h"
#include "explain/settings_view.h"

namespace sluice::explain {

void add_destinations(const Snapshot& snapshot, const translate::ClusterRow& cluster, Destination to,
                      std::vector<Destination>& destinations) {
  if (cluster.cluster.settings) {
    for (auto& [name, text] : view_of(*cluster.cluster.settings)) {
      to.steps.push_back({"backend-settings", fmt::format("{}: {}", name, text)});
    }
  }
  if (cluster.members.empty()) {
    to.backend = snapshot.backend(cluster);
    to.protocol = describe_protocol(cluster.cluster);
    to.localities = snapshot.localities(cluster);
    destinations.push_back(std::move(to));
    return;
  }
  std::map<std::uint32_t, std::uint64_t> weights;  // by priority
  for (const translate::ClusterRow::Member& member : cluster.members) {
    weights[member.priority] += member.weight;
  }
  for (const translate::ClusterRow::Member& member : cluster.members) {
    Destination one = to;
    one.weight *= member.weight;
    one.weights *= weights[member.priority];
    if (member.priority > 0) one.steps.push_back({"fallback", "only while the backends before it are down"});
    add_destinations(snapshot, *member.row, std::move(one), destinations);
  }
}

void add_patches(const Snapshot& snapshot, xds::ResourceType type, const std::string& name,
                 const std::string& of, Explanation& e) {
  for (NamespacedName& policy : snapshot.pipeline().patches_of(type, {.proxy = *e.proxy, .name = name})) {
    Explanation::Patch patch{.policy = std::move(policy), .of = of};
    if (std::ranges::find(e.patches, patch) == e.patches.end()) e.patches.push_back(std::move(patch));
  }
}

void add_cluster_patches(const Snapshot& snapshot, const std::string& cluster, Explanation& e) {
  const std::string backend = e.destinations.back().backend->to_string();
  add_patches(snapshot, xds::ResourceType::kCluster, cluster, "the cluster of " + backend, e);
  add_patches(snapshot, xds::ResourceType::kEndpoints, cluster, "the endpoints of " + backend, e);
}

}  // namespace sluice::explain

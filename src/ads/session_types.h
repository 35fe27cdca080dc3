// What the files of Session share: facts about the types of resources, and values that stand for a resource.
//
// Threads: constants and functions of values.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ads/store.h"

namespace sluice::ads {

// In the order in which they are served.
inline constexpr std::array<xds::ResourceType, xds::kResourceTypes> kTypes = {
    xds::ResourceType::kCluster,  xds::ResourceType::kEndpoints, xds::ResourceType::kSecret,
    xds::ResourceType::kListener, xds::ResourceType::kRoutes,    xds::ResourceType::kExtension};

// Cluster responses that may be unanswered while a cluster is stuck: its mending must get through.
inline constexpr std::size_t kStuckResponses = 8;

// For how long after the refusal of a new cluster the controller may hold back what brought it, before a
// resource that names the cluster takes the place of one that the node serves.
inline constexpr std::chrono::milliseconds kVerdictTime{1000};

// Types that Envoy subscribes to as a whole.
inline bool has_wildcard(xds::ResourceType type) {
  return type == xds::ResourceType::kCluster || type == xds::ResourceType::kListener;
}
// Types whose resources wait for clusters.
inline bool has_gate(xds::ResourceType type) {
  return type == xds::ResourceType::kListener || type == xds::ResourceType::kRoutes;
}
// A cluster or listener that waits for one of these is held up by "there is no such thing", too.
inline bool has_empty(xds::ResourceType type) {
  return type == xds::ResourceType::kEndpoints || type == xds::ResourceType::kRoutes;
}

inline bool same_version(const ResourcePtr& a, const ResourcePtr& b) {
  return a && b ? a->version == b->version : !a && !b;
}

// What Envoy may be told of a name that nobody knows, so that it goes on: no endpoints, no routes.
ResourcePtr empty_resource(xds::ResourceType type, const std::string& name);

// What the node has, but only it knows the bytes of.
ResourcePtr unknown_resource(xds::ResourceType type, const std::string& name, std::uint64_t version);

// One resource's part in the version of a whole; parts add up in any order.
std::uint64_t version_part(std::string_view name, std::uint64_t version);

}  // namespace sluice::ads

// What the Envoys of one replica said, for the other replicas.
//
// An Envoy asks one replica and tells it what it takes, refuses and cannot serve; but the leader writes the
// statuses, and all replicas are to serve the same, so that an Envoy may go from one to another without a
// change. So each tells the others, and takes what they tell as if its own Envoys had said it: an object that
// one of them has found guilty, all hold back.
//
// A report is a value, the newest of a replica counts. When a replica is gone, what its Envoys refused is
// still so: the others keep it (Verdicts::heard).
//
// Threads: plain values; pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/refusal_memory.h"
#include "ir/ir.h"
#include "translate/rows.h"
#include "xds/render.h"

namespace sluice::control {

// A cluster, endpoints or a secret that a node refuses in this version.
struct RefusedByNode {
  xds::ResourceType type = xds::ResourceType::kCluster;
  translate::XdsKey key;
  std::string node;
  std::uint64_t version = 0;
  std::string words;

  bool operator==(const RefusedByNode&) const = default;
};

// A listener or route table that a node does not serve though no object is at fault (retries.h).
struct UnservedResource {
  xds::ResourceType type = xds::ResourceType::kListener;
  translate::XdsKey key;
  translate::Unserved why;

  bool operator==(const UnservedResource&) const = default;
};

struct ReplicaReport {
  std::set<ir::ProxyKey> acknowledged;  // proxies that have acknowledged something
  Refusals refusals;                    // of objects that are guilty
  std::vector<RefusedByNode> resources;
  std::vector<UnservedResource> unserved;

  bool empty() const {
    return acknowledged.empty() && refusals.empty() && resources.empty() && unserved.empty();
  }
};

// Of what etcd takes (1.5 MB), a third for the objects and less for the rest.
inline constexpr std::size_t kLongestRefusals = 512 * 1024;
inline constexpr std::size_t kMostResources = 200;
inline constexpr std::size_t kMostProxies = 5'000;

// The data of a ConfigMap; what is beyond the limits is left out.
nlohmann::json write_report(const ReplicaReport& report);
// What another version of us wrote is left out.
ReplicaReport read_report(const nlohmann::json& data);

}  // namespace sluice::control

// What the admin page and `sluice status` are told, as JSON.
//
// Private keys, and whatever else comes of a Secret's data, are in none of it: it is made of conditions,
// problems, matches and addresses only, never of resources.
//
// Threads: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "observe/fleet.h"
#include "observe/health.h"
#include "observe/snapshot.h"

namespace sluice::observe {

// So long an Envoy may take to acknowledge a commit; then it counts as one that does not serve it. Commits
// whose clusters get warm slowly take seconds.
inline constexpr std::chrono::seconds kLags{10};

// What is missing until everything is served, in words; empty: nothing.
std::vector<std::string> missing(std::uint64_t commit, const std::vector<Fleet::Proxy>& proxies, Time now);

struct Live {
  Time now;
  std::vector<Fleet::Proxy> proxies;
  std::map<ir::ProxyKey, std::shared_ptr<const ClusterHealth>> health;
};

// For the page: {version, envoy, commit, missing, proxies, gateways, routes, objects, clusters, problems}.
nlohmann::ordered_json page_state(const Snapshot& snapshot, const Live& live);

// For `sluice status`: {commit, objects, problems}, where objects are the documents of status.yaml and
// problems those of `check --output json`.
nlohmann::ordered_json object_statuses(const Snapshot& snapshot);

// {proxy, state, pid, …} of each.
nlohmann::ordered_json proxy_states(const std::vector<Fleet::Proxy>& proxies, Time now);

}  // namespace sluice::observe

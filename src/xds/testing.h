// For the tests of this folder: what renderers made, as JSON without what is ours to choose, and what Envoy
// Gateway makes of the parity cases.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "xds/render.h"

namespace sluice::xds {

// Drops metadata and initialFetchTimeout at every depth.
nlohmann::json without_choices(nlohmann::json node);

nlohmann::json as_json(ResourceType type, std::string_view bytes);

// As Envoy Gateway makes the first cluster with this name, its endpoints without their localities, and one
// way of TLS with our name; null where the proxy has none.
nlohmann::json expected_cluster(const nlohmann::json& proxy, const std::string& name);

// The resources of each proxy of a parity case: {listeners, routes, clusters, endpoints, secrets}. None, and
// one line on standard output, where the parity cases are not at hand.
std::vector<nlohmann::json> parity(const std::string& name);

// The cluster of that name in each proxy of a parity case that has it. That none has it is a failure, unless
// the parity cases are not at hand.
std::vector<nlohmann::json> expected_clusters(const std::string& parity_case, const std::string& name);

}  // namespace sluice::xds

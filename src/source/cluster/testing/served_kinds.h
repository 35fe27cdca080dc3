// For tests: the kinds that we know, as an API server in memory has them.
//
// Threads: pure functions.
#pragma once

#include <set>
#include <string_view>
#include <vector>

#include "api/kinds.h"
#include "kube/testing/api_server.h"

namespace sluice::source_testing {

kube_testing::ServedResource served(const api::KindInfo& kind, std::string_view version);

// All but those of these names, in the version that we write.
std::vector<kube_testing::ServedResource> all_kinds(const std::set<std::string_view>& but = {});

// The same, and Leases.
std::vector<kube_testing::ServedResource> all_kinds_and_leases();

// The same, and those of the objects that run Envoys in a cluster.
std::vector<kube_testing::ServedResource> all_kinds_of_a_cluster();

}  // namespace sluice::source_testing

// How a proxy treats the endpoints of a backend, where users say so, in words.
//
// Threads: pure functions.
#pragma once

#include <cstdint>

#include "explain/tls_view.h"
#include "ir/cluster_settings.h"

namespace sluice::explain {

// By what they are about: "health checks" → "by gRPC every 1s, …". Not all of what is seldom set is in it.
Settings view_of(const ir::ClusterSettings& settings);

// Of all: equal for equal settings only.
std::uint64_t fingerprint(const ir::ClusterSettings& settings);

}  // namespace sluice::explain

// Several backends as one cluster, for what has to see all of them: a session, a fallback, or whoever can
// name one cluster only.
//
// Each member is a locality of the cluster, with its weight and its own way of TLS. Fallbacks have a priority
// behind the others.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "translate/backend.h"

namespace sluice::translate {

struct WeightedBackend {
  std::uint32_t weight = 1;
  BackendPtr backend;     // never null
  bool fallback = false;  // it is one here, whatever the backend itself says
};

// "<what>/<namespace>/<name of the owner>/<id>": the id is of the identity, which tells it from others of the
// owner, and of who its members are, but not of their weights.
std::string joined_name(std::string_view what, const ObjectKey& owner, std::string_view identity,
                        std::span<const WeightedBackend> members);

// Members may differ in how they are found and in TLS. In what connections are like besides, what one of them
// needs, all have; or, where they are to speak `one_protocol`, null is what members become that differ there.
// There is at least one member.
std::shared_ptr<ResolvedBackend> join_backends(std::string name, ObjectKey owner,
                                               std::span<const WeightedBackend> members, bool one_protocol);

// The backend with a cluster of this name.
BackendPtr renamed(const ResolvedBackend& backend, std::string name);

}  // namespace sluice::translate

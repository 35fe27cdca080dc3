// The EnvoyProxy of a Gateway beside that of its class.
//
// Threads: pure functions.
#pragma once

#include <memory>

#include "api/kinds.h"

namespace sluice::translate {

// The one of a Gateway as it counts: with `mergeType` it is a patch (RFC 7386) of that of the class, which
// keeps its name. Lists are replaced as a whole, for upstream's have no keys; so both types of merges are
// one. `of_class` may be null.
std::shared_ptr<const api::EnvoyProxy> merge_envoy_proxies(std::shared_ptr<const api::EnvoyProxy> of_class,
                                                           std::shared_ptr<const api::EnvoyProxy> own);

}  // namespace sluice::translate

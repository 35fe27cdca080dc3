// An ExternalAuth filter → the filter that asks its service.
//
// What it says comes to Envoy's external authorization. Whatever keeps the service from saying yes, no
// request passes: that there is none, that nobody answers, that a body is too large to be shown.
#pragma once

#include <cstdint>
#include <vector>

#include "translate/route_backends.h"

namespace sluice::translate {

struct ExternalAuth {
  ir::ExtensionPtr filter;  // an ir::ExtAuthz; null: there is nobody to ask
  // Why no rule can be like that. A reference that leads nowhere is in the conditions of `backends` instead.
  std::vector<ReferenceFailure> failures;
};

// `place` is that of the filter; `index` its rank among those that a request meets. The cluster of the
// service is among the clusters of `backends`.
ExternalAuth read_external_auth(const api::HTTPExternalAuthFilter& filter, std::uint32_t index,
                                const Place& place, RouteBackends& backends);

}  // namespace sluice::translate

// HTTPRoute → routes on hosts, clusters, conditions.
#pragma once

#include "translate/route_rules.h"

namespace sluice::translate {

RouteResult translate_http_route(const NamespacedName& name, const api::HTTPRoute& route,
                                 const RouteEnvironment& environment, flow::Reads& reads);

}  // namespace sluice::translate

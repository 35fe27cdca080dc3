// GRPCRoute → routes on hosts, clusters, conditions. A call is a request for the path "/<service>/<method>".
#pragma once

#include "translate/route_rules.h"

namespace sluice::translate {

RouteResult translate_grpc_route(const NamespacedName& name, const api::GRPCRoute& route,
                                 const RouteEnvironment& environment, flow::Reads& reads);

}  // namespace sluice::translate

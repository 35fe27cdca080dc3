// TLSRoute, TCPRoute and UDPRoute → what they bring to listeners, clusters, conditions.
//
// Such a route has nothing to match but the server name of a TLSRoute, so all backends of all of its rules
// share what it gets, by their weights. Connections are split by Envoy's weighted clusters, which are the
// same that HTTPRoutes use; the share of a backend that does not exist is closed. Datagrams cannot be split
// like that: a UDPRoute has one cluster of its own with all of its endpoints. So has a route to nobody, with
// none.
//
// A Backend of type DynamicResolver sends TLS that is passed through to the server name that the client asks
// for. It is the only one of its route: of several, none is used. A listener that ends TLS has nothing of it.
#pragma once

#include "translate/route_rules.h"

namespace sluice::translate {

RouteResult translate_tls_route(const NamespacedName& name, const api::TLSRoute& route,
                                const RouteEnvironment& environment, flow::Reads& reads);
RouteResult translate_tcp_route(const NamespacedName& name, const api::TCPRoute& route,
                                const RouteEnvironment& environment, flow::Reads& reads);
RouteResult translate_udp_route(const NamespacedName& name, const api::UDPRoute& route,
                                const RouteEnvironment& environment, flow::Reads& reads);

}  // namespace sluice::translate

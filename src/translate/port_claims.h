// Which proxy has a port of the host.
//
// In a cluster each proxy has an address of its own. On a host all share the machine's, and because Envoy
// opens its sockets with SO_REUSEPORT the kernel would let two of them have the same one: it would hand each
// connection to either, whatever is served there. So a socket claims its addresses at its port, and where two
// claims overlap the one of lower rank gives way as a whole:
//
//   rank       a socket with a Gateway's own listeners comes before one that only ListenerSets brought, then
//              the older Gateway, then the name
//   overlap    the same address, and nothing else. Between a socket of one address and one of all the kernel
//              decides well: what is for the address goes to the former, the rest to the latter. A socket of
//              all addresses of IPv6 and IPv4 claims both
//
// A socket that gives way claims nothing.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

// The claims of a proxy's sockets.
std::vector<std::pair<XdsKey, PortClaim>> port_claims(const ir::ProxyKey& proxy, const ProxyPlan& plan);

// Of the sockets that claim one port those that give way, each with the claim that is in its way.
LostPorts settle_port(const std::vector<std::pair<XdsKey, const PortClaim*>>& claims);

// The plan without the sockets for which `lost` returns what is in their way: their listeners say so.
ProxyPlan give_way(ProxyPlan plan, const std::function<const PortClaim*(const SocketPlan&)>& lost);

}  // namespace sluice::translate

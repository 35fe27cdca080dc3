// Connections and datagrams that Envoy does not look into: to which route's backends they go.
//
// Threads: a pure function, on the snapshot's thread.
#pragma once

#include "explain/explain.h"
#include "ir/ir.h"

namespace sluice::explain {

// Finishes an explanation of which the proxy is known. `chain` takes the connection; it is null for a socket
// of datagrams.
void follow_stream(const Snapshot& snapshot, const translate::ProxyPlan& plan, const ir::Listener& socket,
                   const ir::TcpChain* chain, Explanation& e);

// Where no chain takes the connection: the routes of the socket that come nearest.
void find_stream_misses(const Snapshot& snapshot, const translate::XdsKey& socket, Explanation& e);

}  // namespace sluice::explain

// What a commit serves, without anything that does not matter to clients and backends: two commits serve the
// same exactly where their views are equal. For diff.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "explain/snapshot.h"
#include "explain/tls_view.h"
#include "ir/ir.h"

namespace sluice::explain {

struct RouteView {
  ir::RouteMatch match;
  std::string what;  // the match in words
  Settings action;
  // The action as it is, with backends in place of clusters: what `action` may have left out.
  ir::RouteAction exact;
  std::set<std::string> credentials;  // that requests get: to be compared, never to be shown

  bool same_action(const RouteView& o) const {
    return action == o.action && exact == o.exact && credentials == o.credentials;
  }
};

struct HostView {
  std::vector<RouteView> routes;
  std::uint16_t otherwise = 404;  // what a request is answered with that no route takes
};

// One way into a socket: by server name, or without TLS.
struct ChainView {
  Settings settings;
  ir::HttpChain exact;  // without names
  std::map<std::string, HostView> hosts;
};

struct SocketView {
  Settings settings;
  std::map<std::string, ChainView> chains;  // by what is said of their server names
};

struct BackendView {
  std::map<std::string, std::set<std::string>> settings;  // by name, of each of its clusters
  std::set<std::string> endpoints;
  std::set<std::uint64_t> exact;  // fingerprints of settings, of which `settings` may have left something out
  std::set<std::string> credentials;  // as of RouteView
};

struct View {
  std::map<std::string, SocketView> sockets;
  std::map<std::string, BackendView> backends;
  std::map<std::string, Settings> proxies;
  std::map<std::string, std::string> statuses;  // "Gateway default/web: Accepted" → "True (Accepted)"
};

View view_of(const Snapshot& snapshot);

}  // namespace sluice::explain

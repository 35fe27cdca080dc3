// One commit, as questions about requests need it.
//
// The pipeline keeps the hosts of route tables rendered; here they are merged again from what the routes
// bring to them, when somebody asks. The rows stay the pipeline's: a Snapshot is good until its next commit.
//
// Threads: one at a time, that of the pipeline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/pipeline.h"
#include "ir/ir.h"
#include "translate/rows.h"

namespace sluice::explain {

class Snapshot {
 public:
  struct Route {
    ObjectKey key;
    const translate::RouteResult* result;
    std::vector<std::string> hostnames;  // as written; none: every host
    std::size_t rules = 0;
  };
  // What routes bring to one host of a route table.
  using Contributions = std::vector<std::pair<ObjectKey, const translate::Contribution*>>;
  using Hosts = std::map<std::string, Contributions, std::less<>>;

  // Whom a cluster sends to, in the user's words.
  struct Backend {
    ObjectKey object;
    std::optional<std::uint16_t> port;  // of a Service

    auto operator<=>(const Backend&) const = default;
    // "Service default/web, port 80".
    std::string to_string() const;
  };

  explicit Snapshot(const control::Pipeline& pipeline);

  // Sorted by their keys.
  const std::vector<const translate::ProxyPlan*>& proxies() const { return proxies_; }
  const std::vector<Route>& routes() const { return routes_; }
  // The sockets of a proxy with all that is on them, by name.
  std::vector<const ir::Listener*> sockets(const ir::ProxyKey& proxy) const;
  // Null where there is no such route.
  const Route* route(const ObjectKey& key) const;
  // Of a route table, hosts that no route serves left out.
  const Hosts& hosts(const std::string& table) const;
  // The host's routes in the order in which they are tried; of a host that no route serves, none.
  const ir::VirtualHost& merged(const std::string& table, const std::string& host) const;
  // The rule, by its index, that a route of a merged host is from; and which of the rule's matches it is.
  struct Origin {
    std::uint32_t rule = 0;
    std::uint32_t match = 0;
  };
  Origin origin(const std::string& table, const std::string& host, const ir::Route& route) const;
  // The extensions that a rule of a route should have there and has not.
  std::vector<translate::MissingExtension> missing_extensions(const std::string& table,
                                                              const std::string& host, const ObjectKey& route,
                                                              std::uint32_t rule) const;

  // Null where there is no such cluster.
  const translate::ClusterRow* cluster(const ir::ProxyKey& proxy, const std::string& name) const;
  // Whether connections that are sent there get nowhere: a route has a cluster for itself where it has no
  // valid backend. Null: there is none.
  bool is_nobody(const translate::ClusterRow* cluster) const;
  Backend backend(const translate::ClusterRow& cluster) const;
  std::vector<ir::Locality> localities(const translate::ClusterRow& cluster) const;

  const control::Pipeline& pipeline() const { return pipeline_; }

 private:
  const control::Pipeline& pipeline_;
  std::vector<const translate::ProxyPlan*> proxies_;
  std::vector<Route> routes_;
  std::map<std::string, Hosts, std::less<>> tables_;
  mutable std::map<translate::HostKey, ir::VirtualHost> merged_;
};

}  // namespace sluice::explain

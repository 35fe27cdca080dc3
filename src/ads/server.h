// Aggregated discovery (ADS) over gRPC: delta and state-of-the-world, on a Unix socket that only its owner may open.
//
// The server holds, per proxy key, the newest state of every resource. The control thread hands it one Update a
// commit; every connected node is brought there on its own, at its own pace:
//
//   clusters and endpoints first; once Envoy has acknowledged CDS (which it does only when no cluster is warming),
//   secrets, listeners and routes; a cluster goes only after the routes that named it were acknowledged as gone, plus
//   a grace. EDS and SDS are always answered, empty too. After an in-place cluster update its endpoints go again.
//
// A node that is behind gets only the newest state of each resource; a node that does not answer holds up nobody.
// A version is the content hash: a restarted server pushes nothing that the node already has.
//
// Threads: update() and remove() from the control thread; events arrive on gRPC threads, never under a lock that
// update() takes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/problem.h"
#include "ir/ir.h"
#include "xds/render.h"

namespace sluice::ads {

struct Resource {
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::string name;
  std::uint64_t version = 0;  // xds::content_hash of bytes
  std::shared_ptr<const std::string> bytes;
  // Clusters that a route table sends to, sorted; what its sending waits for and what it keeps alive.
  std::vector<std::string> clusters;
};

// What one commit changes for one proxy.
struct Update {
  std::uint64_t commit = 0;  // grows
  std::vector<Resource> changed;
  std::vector<std::pair<xds::ResourceType, std::string>> removed;
};

// What nodes did. `node` is Envoy's node id.
struct Connected { ir::ProxyKey proxy; std::string node; };
struct Disconnected { ir::ProxyKey proxy; std::string node; };
// The node serves everything of this commit (and of all before it).
struct Acknowledged { ir::ProxyKey proxy; std::string node; std::uint64_t commit = 0; };
// The node refused these resources, in its own words. They were found one by one where the answer named several.
struct Rejected {
  ir::ProxyKey proxy;
  std::string node;
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::string name;
  std::uint64_t version = 0;
  std::string message;
  std::uint64_t commit = 0;  // the newest commit that was sent with it
};
// These clusters have kept CDS from being acknowledged for longer than Options::stuck_after.
struct Stuck { ir::ProxyKey proxy; std::string node; std::vector<std::string> clusters; };
using Event = std::variant<Connected, Disconnected, Acknowledged, Rejected, Stuck>;

struct Options {
  std::string socket_path;                             // created with mode 0600
  std::chrono::milliseconds removal_grace{20'000};     // between the routes' acknowledgement and a cluster's removal
  std::chrono::milliseconds stuck_after{5'000};
};

class Server {
 public:
  virtual ~Server() = default;  // closes all streams; no event arrives after it returns

  virtual void update(const ir::ProxyKey& proxy, Update update) = 0;
  // Forgets the proxy; its nodes are disconnected.
  virtual void remove(const ir::ProxyKey& proxy) = 0;
};

// Starts serving. On failure (path too long, in use by a live server …) returns null and fills in *problem.
std::unique_ptr<Server> start_server(const Options& options, std::function<void(Event)> on_event, Problem* problem);

}  // namespace sluice::ads

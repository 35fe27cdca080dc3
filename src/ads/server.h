// Aggregated discovery (ADS) over gRPC: delta and state-of-the-world, on a Unix socket that only its owner
// may open, and over TLS 1.3 for Envoys in pods.
//
// Who comes over TLS proves who it is in one of two ways:
//
// - By a certificate of one of our authorities. All Envoys have the same one, as in Envoy Gateway: whoever has
//   it may ask for the configuration of any proxy. It is for Envoys in a namespace that is ours alone.
// - By the token of a ServiceAccount, in `authorization: Bearer …`. It is looked at once, when the stream
//   begins, and says which proxies may be asked for, and where it is a pod's, which node this is. A stream does
//   not end when its token does: Envoy shows a newer one next time.
//
// Without proof a stream ends with UNAUTHENTICATED, with that of another proxy with PERMISSION_DENIED. Nothing
// that is sent is read before that. Certificates may be replaced at any time; streams go on.
//
// The server holds, per proxy key, the newest state of every resource. The control thread hands it one Update
// a commit; every connected node is brought there on its own, at its own pace:
//
//   clusters and endpoints first; once Envoy has acknowledged CDS (which it does only when no cluster is
//   warming), secrets, listeners and routes; a cluster goes only after the routes that named it were
//   acknowledged as gone, plus a grace. EDS and SDS are always answered, empty too. After an in-place cluster
//   update its endpoints go again.
//
// A node that is behind gets only the newest state of each resource; a node that does not answer holds up
// nobody. A version is the content hash: a restarted server pushes nothing that the node already has.
//
// A node is a stream whose first request says node.cluster = the proxy's key and node.id = a name of its own.
// One whose proxy is not known (yet) is served when the proxy has its first update; until then it gets
// nothing, and no error.
//
// A name that is asked for and does not exist is answered too, so that Envoy goes on warming: a cluster
// without endpoints, a route table without routes, and "there is no such thing" for a secret (which only
// delta can say).
//
// What a node refuses it keeps in the version that it accepted last. The refusal belongs to this node and
// version: it is not sent there again until it changes or somebody asks for another try, also not when the
// node comes back. A server that is restarted forgets refusals and finds them again.
//
// A node that vanishes without a word (its machine, or the network) is disconnected within a minute.
//
// Threads: update(), retry() and remove() may be called from any thread, also from an event, and only post;
// one thread of the server's own does the work and delivers the events, one at a time, with no lock held. An
// event that takes long delays all nodes. The server must not be destroyed from an event.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/problem.h"
#include "ir/ir.h"
#include "pki/pki.h"
#include "xds/render.h"

namespace sluice::ads {

struct Resource {
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::string name;
  std::uint64_t version = 0;  // xds::content_hash of bytes
  std::shared_ptr<const std::string> bytes;
  // Clusters that a route table or listener sends to: what its sending waits for, and what it keeps alive.
  // All of them, mirrors too; those that the store does not have are not waited for.
  std::vector<std::string> clusters;
  // Route tables that a listener takes its routes from: a node that has the listener asks for them.
  std::vector<std::string> route_tables;
};

// What one commit changes for one proxy.
struct Update {
  std::uint64_t commit = 0;  // from 1; grows from one update of a proxy to the next, or the program stops
  std::vector<Resource> changed;
  std::vector<std::pair<xds::ResourceType, std::string>> removed;
};

// What nodes did. `node` is Envoy's node id. The two are a pair for every stream, and come around all else
// about it; a node has two streams at once where two Envoys share an id, as in a hot restart.
struct Connected {
  ir::ProxyKey proxy;
  std::string node;
};
struct Disconnected {
  ir::ProxyKey proxy;
  std::string node;
};
// Every resource of this commit, and of all before it, that the node asks for it has accepted, or refused,
// and then the Rejected came before. Clusters that are to go may still be there in their grace. Comes once
// the node has asked for clusters, for listeners and for the route tables of the listeners that it has; a
// commit that was overtaken is acknowledged by the next. After a reconnection it comes again, with the newest
// commit.
struct Acknowledged {
  ir::ProxyKey proxy;
  std::string node;
  std::uint64_t commit = 0;
};
// The node refused this resource, in its own words; it was found by sending what was refused again in smaller
// groups. Comes again on every connection of the node on which it is still held back. A version that was
// overtaken before it was found to be at fault is not reported.
struct Rejected {
  ir::ProxyKey proxy;
  std::string node;
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::string name;
  std::uint64_t version = 0;
  std::string message;
  std::uint64_t commit = 0;    // the newest commit that was sent with it
  bool holds_another = false;  // the node has another version of it
};
// The node took what it had refused, when it was tried again (see Server::retry).
struct Recovered {
  ir::ProxyKey proxy;
  std::string node;
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::string name;
};
// These clusters were sent and not acknowledged for longer than Options::stuck_after; one of them at least
// does not get warm. What names one of them waits, the rest goes on, and changes of clusters go out all the
// same.
struct Stuck {
  ir::ProxyKey proxy;
  std::string node;
  std::vector<std::string> clusters;
};
// The node was sent a response.
struct Sent {
  ir::ProxyKey proxy;
  std::string node;
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::size_t resources = 0;  // removals included
  std::size_t bytes = 0;      // of the resources
};
using Event = std::variant<Connected, Disconnected, Acknowledged, Rejected, Recovered, Stuck, Sent>;

// Whose a token is.
struct Account {
  std::string name_space;
  std::string name;  // of the ServiceAccount
  std::string pod;   // that the token was made for; empty: for none

  bool operator==(const Account&) const = default;
};

struct TokenFault {
  bool is_refused = true;  // or else nobody could tell: another try may do
  std::string message;     // a sentence
};

// How tokens are looked at.
struct Tokens {
  using Done = std::function<void(std::expected<Account, TokenFault>)>;
  enum class Access : std::uint8_t { kGranted, kDenied, kUnknownYet };

  // Called on the server's thread, where it must not block; calls `done` once, from any thread, also at once,
  // and also when the server is gone. Empty: tokens are not taken.
  std::function<void(std::string token, Done done)> review;
  // Whether the account may ask for the configuration of the proxy. Called on the server's thread.
  std::function<Access(const Account& account, const ir::ProxyKey& proxy)> authorize;
};

struct Options {
  std::string socket_path;  // created with mode 0600
  // Where Envoys in pods ask, over TLS: "0.0.0.0:18000", with port 0 for one that the system chooses; empty:
  // nowhere. Served from the first set_credentials() on.
  std::string tcp_address;
  Tokens tokens;
  std::chrono::milliseconds removal_grace{
      20'000};  // between the routes' acknowledgement and a cluster's removal
  std::chrono::milliseconds stuck_after{5'000};
};

class Server {
 public:
  virtual ~Server() = default;  // closes all streams; no event arrives after it returns

  virtual void update(const ir::ProxyKey& proxy, Update update) = 0;
  // What nodes of the proxy have refused of this name is sent to them once more: for where the reason was
  // none of the resource's. Whoever takes it now has Recovered; whoever refuses it again, Rejected.
  virtual void retry(const ir::ProxyKey& proxy, xds::ResourceType type, const std::string& name) = 0;
  // Forgets the proxy; its nodes are disconnected.
  virtual void remove(const ir::ProxyKey& proxy) = 0;

  // What is shown over TLS from now on, and whose certificates are taken. With the first ones it begins to
  // listen. The error ("value/xds-certificate", "value/xds-address") leaves all as it was. From any thread;
  // takes some milliseconds.
  virtual std::expected<void, Problem> set_credentials(pki::Credentials credentials) = 0;
  // Where it listens; 0: not yet, or never.
  virtual std::uint16_t tcp_port() const = 0;
};

// Starts serving. On failure (path too long, in use by a live server …) returns null and fills in *problem.
std::unique_ptr<Server> start_server(const Options& options, std::function<void(Event)> on_event,
                                     Problem* problem);

}  // namespace sluice::ads

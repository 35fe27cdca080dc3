// Resources from an API server: every kind of api::kinds() that it has, listed and watched.
//
// - The first batch comes when every kind that the server has was listed, and with selected namespaces these
//   first: a part of a configuration is another configuration. Until then only on_waiting is told. Later
//   batches come after a few milliseconds without an event, or some more after the first.
// - A kind is asked for in the versions that we serve, in their order, until the server has one. A kind that
//   it has in none is no error; it is looked for again twice a minute.
// - A kind that we may not read is left out, after some tries, and what was read of it before stays. That is
//   the problem "cluster/forbidden", which names the rule that is missing; it is asked for again for ever.
//   Where all kinds are forbidden, the server does not know us, which is waited out as an outage is.
// - An object is decoded once, when it arrives, and nothing of it is kept but its name and which version it
//   was. A version of which only the status is another is none to translation. One that cannot be bound,
//   because the server's schema is another than ours, is a problem, and the version before it stays.
// - Nothing goes while the server is out of reach. One problem, "cluster/api-server", says since when and
//   why.
// - Pods are watched while there are InferencePools: nobody else reads them, and they change all the time.
// - Secrets in which Helm keeps its releases are left out: they are large, and nobody can mean them.
//
// What an object says in vain is no problem by itself, for it may be another controller's: it is a remark.
//
// Problems are of objects: they have no place in a file.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/object_key.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "source/source.h"

namespace sluice::source {

// What the server has of an object besides what translation reads: for whoever writes its status.
struct ServerStatus {
  std::string uid;
  std::string version;  // resourceVersion
  std::string json;     // its status as the server writes it, or empty

  bool operator==(const ServerStatus&) const = default;
};

struct ClusterOptions {
  // Objects of other kinds are not asked for. Empty: all are read.
  std::set<GroupKind> kinds;
  // Objects of other namespaces are not asked for. Empty: all are read.
  std::vector<std::string> namespaces;
  // A label selector as kubectl takes it: objects of other namespaces, and these themselves, are left out.
  // Empty, or where namespaces are named: it does not count.
  std::string namespace_selector;
  // Where namespaces are selected: objects of this one are read all the same.
  std::string own_namespace;
  // Kinds of which statuses are told.
  std::set<GroupKind> with_status;

  std::chrono::milliseconds quiet{5};       // without an event before a batch
  std::chrono::milliseconds latest{50};     // from the first event on
  std::chrono::milliseconds settle{1'000};  // after which problems with the server are told
  std::chrono::milliseconds missing{30'000};
  kube::Reflector::Options reflector = {};
};

// Called on the client's thread; they must not block.
struct ClusterHooks {
  std::function<void(Batch)> on_batch;
  // Before the first batch: what keeps it, whole, each time that it changes.
  std::function<void(std::vector<Problem>)> on_waiting;
  // The object's status as the server has it now; nothing: the object is gone.
  std::function<void(const ObjectKey&, const kube::Resource&, std::optional<ServerStatus>)> on_status;
};

// The client must outlive the source, though it may have been stopped.
std::unique_ptr<Source> watch_cluster(kube::Client& client, ClusterOptions options, ClusterHooks hooks);

}  // namespace sluice::source

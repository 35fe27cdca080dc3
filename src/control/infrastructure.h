// Keeps the objects that run the proxies of a cluster as they are to be: an Inventory that runs.
//
// Two sides tell of an object: the control thread what is wanted (rows of the pipeline), the API server what
// there is. What there is to do is written by server-side apply, while this replica leads; conflicts are
// forced, as Envoy Gateway's writes are. Replicas that do not lead know as much, and wait.
//
// Where Envoys ran in other namespaces before, what is left there is deleted as anything else that nobody
// wants, if `elsewhere` says so and the server lets us; else a problem says that it is there. That it cannot
// be looked for is no problem, for there need not be anything.
//
// Threads: hooks are called on the client's thread, and set_leads(); the rest on the control thread. All work
// is done on the client's. The client must outlive it, though it may have been stopped.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/problem.h"
#include "control/inventory.h"
#include "control/pipeline.h"
#include "infra/objects.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "kube/write_queue.h"

namespace sluice::control {

class Infrastructure {
 public:
  struct Hooks {
    std::function<void(Inventory::Installations)> on_installations;
    std::function<void(translate::NodeAddresses)> on_nodes;
    std::function<void(std::vector<Problem>)> on_problems;  // all that there are, each time that they change
  };
  struct Options {
    std::string controller;            // infra::Settings has it
    std::set<std::string> namespaces;  // where objects are looked for; empty: in all
    // Where objects may be that a control plane before this one has made.
    struct Elsewhere {
      std::set<std::string> namespaces;  // empty: all
      std::string except;                // of all
      bool deletes = false;              // else only the Services are looked for
    };
    std::optional<Elsewhere> elsewhere = std::nullopt;
    kube::WriteQueue::Options writes = {};
    kube::Reflector::Options reflector = {};
    std::chrono::milliseconds retry{10'000};  // of what the server refuses
  };

  Infrastructure(kube::Client& client, Options options, Hooks hooks);
  Infrastructure(const Infrastructure&) = delete;
  Infrastructure& operator=(const Infrastructure&) = delete;
  ~Infrastructure();

  // What the last commit changed; the first time all. Until then nothing is looked for. While not `complete`,
  // some of what is wanted may not be known.
  void commit(const Pipeline& pipeline, bool complete);
  // Objects of a proxy that is wanted no longer stay until then.
  void release(const ir::ProxyKey& proxy);
  // Whether to write.
  void set_leads(bool leads);

 private:
  class Work;
  kube::Client& client_;
  std::shared_ptr<Work> work_;
  bool told_all_ = false;  // of the control thread
  bool complete_ = false;
};

}  // namespace sluice::control

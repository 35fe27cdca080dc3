// Writes the statuses of a cluster's objects back to the API server: of each what differs from what the
// server has (status/patch.h), and nothing where nothing does.
//
// Two sides tell of an object: the control thread what is to be said (the rows of the pipeline), the source
// what the server has. Whenever either changes, they are compared, while this replica leads. What is to be
// written goes through a kube::Writer, which sends the newest document of an object alone, one after the
// other, not more often than it makes sense, and again where the server did not take it. Gateways and what
// belongs to them do not wait for routes.
//
// A sluice that has just started does not know yet that the Envoys serve which its predecessor left: for some
// seconds it does not take back that a Gateway is programmed.
//
// A server may not keep all of what it is sent, for its schema is older than ours. What it left out of the
// answer to a write is not sent again, or we would write for ever.
//
// Threads: seen() and set_leads() are called on the client's thread; commit() and the rest on the control
// thread. All work is done on the client's. The client must outlive it, though it may have been stopped.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control/pipeline.h"
#include "kube/client.h"
#include "kube/object.h"
#include "kube/write_queue.h"
#include "source/cluster/cluster.h"

namespace sluice::control {

class StatusWriter {
 public:
  struct Options {
    std::string controller_name;
    kube::WriteQueue::Options writes = {};
    std::chrono::milliseconds patience{5'000};  // from the first commit on
    std::function<std::string()> now;           // in RFC 3339; empty: the system's clock
  };

  StatusWriter(kube::Client& client, Options options);
  StatusWriter(const StatusWriter&) = delete;
  StatusWriter& operator=(const StatusWriter&) = delete;
  ~StatusWriter();

  // What the last commit changed of the statuses; the first time all of them. Before that nothing is written.
  void commit(const Pipeline& pipeline);
  // What the server has; nothing: the object is gone.
  void seen(const ObjectKey& object, const kube::Resource& resource,
            std::optional<source::ServerStatus> status);
  // Whether to write.
  void set_leads(bool leads);

 private:
  class Work;
  kube::Client& client_;
  std::shared_ptr<Work> work_;
  bool told_all_ = false;  // of the control thread
};

}  // namespace sluice::control

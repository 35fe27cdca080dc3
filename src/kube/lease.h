// An Election that runs: tells when this replica leads and when it does not any more.
//
// Threads: callbacks run on the client's thread. Members may be called from any. When a Lease is destroyed it
// waits for a callback that runs, and no other follows; it gives nothing back then: that is resign(), which a
// graceful exit waits for. The client must outlive it, though it may have been stopped.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kube/backoff.h"
#include "kube/client.h"
#include "kube/election.h"

namespace sluice::kube {

class Lease {
 public:
  struct Events {
    // Whether we lead. First when we do; and each time that it changes.
    std::function<void(bool)> leads;
    // Who holds the lease; empty: nobody. Each time that it changes.
    std::function<void(const std::string& identity)> holder;
    // The API server does not get to it: a sentence; empty: it does again. Each time that it changes.
    std::function<void(const std::string& text)> problem;
  };

  Lease(Client& client, Election::Options options, Events events, Random random = system_random());
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  // Stops leading at once (`leads` is told), gives the Lease back, and calls `done` when that has succeeded
  // or failed, soon in either case. Not to be called twice.
  void resign(std::function<void()> done);

 private:
  struct Running;
  Client& client_;
  std::shared_ptr<Running> running_;
};

}  // namespace sluice::kube

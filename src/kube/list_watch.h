// A Reflector that runs: it asks the API server what the machine wants, and hands it what comes.
//
//   ListWatch routes(client, {.watched = {.resource = …}}, sink);
//
// Threads: the sink is called on the client's thread. A ListWatch may be made and destroyed on any; when it
// is destroyed it waits for a callback of the sink that runs, and no other follows. The client must outlive
// it, though it may have been stopped.
#pragma once

#include <chrono>
#include <memory>

#include "kube/backoff.h"
#include "kube/client.h"
#include "kube/reflector.h"

namespace sluice::kube {

class ListWatch {
 public:
  struct Options {
    Watched watched;
    Reflector::Options reflector = {};
    std::chrono::milliseconds list_timeout{60'000};  // of a page, and until a watch begins
    // A watch without a byte for so long is opened again. API servers send a bookmark each minute.
    std::chrono::milliseconds silence{150'000};
  };

  ListWatch(Client& client, Options options, Sink& sink, Random random = system_random());
  ListWatch(const ListWatch&) = delete;
  ListWatch& operator=(const ListWatch&) = delete;
  ~ListWatch();

 private:
  struct Running;
  Client& client_;
  std::shared_ptr<Running> running_;
};

}  // namespace sluice::kube

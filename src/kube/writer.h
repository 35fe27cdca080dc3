// A WriteQueue that runs: sends what it wants written through a client.
//
// Threads: all members may be called from any thread; results are told on the client's. When a Writer is
// destroyed it waits for a callback that runs, and no other follows; writes under way may still arrive. The
// client must outlive it, though it may have been stopped.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kube/backoff.h"
#include "kube/client.h"
#include "kube/write_queue.h"

namespace sluice::kube {

// What became of a write. After kAgain another follows.
struct Written {
  std::string key;
  Write write;
  Outcome outcome;
  WriteQueue::Verdict verdict = WriteQueue::Verdict::kDone;
};

class Writer {
 public:
  using Told = std::function<void(const Written&)>;

  // Not active until set_active().
  Writer(Client& client, const WriteQueue::Options& options, Told told, Random random = system_random());
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  void set_active(bool active);
  void want(std::string key, Write write);
  void drop(std::string key);
  void forget(std::string key);

 private:
  struct Running;
  Client& client_;
  std::shared_ptr<Running> running_;
};

}  // namespace sluice::kube

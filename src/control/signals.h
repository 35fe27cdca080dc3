// The signals that end `sluice run`, as calls.
//
// These are SIGTERM, SIGINT and SIGHUP, the last unless it was ignored before: then somebody (nohup) wants
// the program to outlive its terminal. SIGPIPE is ignored: a reader that goes away, of the log say, must not
// take the gateway with it.
//
// Threads: made on the main thread before any other is started, for they inherit what is blocked; on_signal
// is called on a thread of its own.
#pragma once

#include <functional>
#include <thread>

namespace sluice::control {

class Signals {
 public:
  explicit Signals(std::function<void(int)> on_signal);

 private:
  std::jthread waiter_;
};

}  // namespace sluice::control

// HTTP/1.1 for simulated pods: a port each, all on one thread.
//
// Threads: run() uses the thread that calls it, and no other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pod.h"

namespace sluice::vllmsim {

class Server {
 public:
  Server();
  ~Server();

  // Serves a pod at an IPv4 address and port, 0: any that is free; the port, or 0 with *problem.
  std::uint16_t add(std::unique_ptr<Pod> pod, const std::string& address, std::uint16_t port,
                    std::string* problem);
  // Until SIGTERM or SIGINT.
  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::vllmsim

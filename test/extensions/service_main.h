// The program around an ext_proc service of a test: serves at its only argument until a signal ends it.
#pragma once

#include <csignal>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <memory>

#include <fmt/format.h>

#include "extproc/server.h"

namespace sluice {

// Prints where it listens, and hands each of these signals to `then`, until that is false. Returns the exit
// code.
template <typename Service>
int run_service(int argc, char** argv, std::initializer_list<int> signals,
                const std::function<bool(int signal, extproc::Server& server)>& then) {
  if (argc != 2) return 2;
  // Before there are threads, which inherit it: the signals wait for sigwait().
  sigset_t waited;
  sigemptyset(&waited);
  for (const int signal : signals) sigaddset(&waited, signal);
  sigprocmask(SIG_BLOCK, &waited, nullptr);
  Problem problem;
  const auto server = extproc::start_server(
      {.address = argv[1]}, [](Loop&) { return std::make_unique<Service>(); }, [](const Problem&) {},
      &problem);
  if (server == nullptr) {
    fmt::print(stderr, "{}\n", problem.message);
    return 1;
  }
  fmt::print("listening at {}\n", server->address());
  std::fflush(stdout);
  for (int signal = 0; sigwait(&waited, &signal) == 0 && then(signal, *server);) {
  }
  return 0;
}

}  // namespace sluice

#include "control/signals.h"

#include <csignal>
#include <utility>

#include <pthread.h>

namespace sluice::control {
namespace {

bool is_ignored(int signal) {
  struct sigaction action;
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Signals::Signals(std::function<void(int)> on_signal) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (!is_ignored(SIGHUP)) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  waiter_ = std::jthread([signals, on_signal = std::move(on_signal)](const std::stop_token& done) {
    const timespec tick{.tv_sec = 0, .tv_nsec = 100'000'000};
    while (!done.stop_requested()) {
      const int signal = sigtimedwait(&signals, nullptr, &tick);
      if (signal > 0) on_signal(signal);
    }
  });
}

}  // namespace sluice::control

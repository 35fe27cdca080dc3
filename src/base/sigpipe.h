// Writing to who is gone.
//
// Threads: of the calling one, and those that it starts afterwards.
#pragma once

#include <csignal>

#include <pthread.h>

namespace sluice {

// A peer that is gone is an error of the write, not the end of the process. For threads on which OpenSSL
// writes, which does not say MSG_NOSIGNAL.
inline void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace sluice

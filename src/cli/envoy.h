// `sluice envoy`: what runs beside an Envoy.
#pragma once

#include <chrono>

#include "cli/console.h"
#include "drain/machine.h"

namespace sluice::cli {

// Until a signal ends it. Call from the main thread, before any other is started.
int run_shutdown_manager(std::chrono::milliseconds ready_timeout, Console& console);

// Until Envoy has drained, or there is no more time.
int shut_down_envoy(const drain::Times& times, Console& console);

// Becomes the keeper of the process that standard input tells of (proxy/process.h).
int keep_envoy(Console& console);

}  // namespace sluice::cli

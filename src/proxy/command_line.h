// The command line of an Envoy.
//
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/ir.h"

namespace sluice::proxy {

// What differs between two processes of the same configuration.
struct Launch {
  std::string bootstrap_path;
  std::string hot_restart_path;  // of the sockets by which epochs talk to each other
  std::uint32_t base_id = 0;
  std::uint32_t restart_epoch = 0;
};

// For so long an old epoch lives on beside the new one.
ir::Duration parent_shutdown_time(const ir::Proxy& proxy);

// What follows the name of the binary. `common_args` come last but the proxy's own.
std::vector<std::string> make_arguments(const ir::Proxy& proxy, const std::vector<std::string>& common_args,
                                        const Launch& launch);

// The workers of an Envoy that is started with these. Where they do not say, as many as there are processors
// on which it may run, which are those on which we may.
std::uint32_t concurrency_of(const std::vector<std::string>& arguments);

}  // namespace sluice::proxy

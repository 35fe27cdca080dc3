// The command line of an Envoy.
//
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

// Envoy's options for what an EnvoyProxy has fields for.
inline constexpr std::string_view kConcurrency = "--concurrency";
inline constexpr std::string_view kLogLevel = "--log-level";
inline constexpr std::string_view kComponentLogLevel = "--component-log-level";

// What the arguments have as the option's value, also as "--name=value" and by its short name; nothing where
// it is not there.
std::optional<std::string> find_option(const std::vector<std::string>& arguments, std::string_view name);

// What follows the name of the binary. `common_args` come last but the proxy's own. Of options that may be
// there once only, and that do not tie the process to us, one of `common_args` counts before one of the
// proxy's extra_args, and that before what its fields say.
std::vector<std::string> make_arguments(const ir::Proxy& proxy, const std::vector<std::string>& common_args,
                                        const Launch& launch);

// Of an Envoy in a pod: `own` are those that tie it to us, and come first. As above, and of whatever else is
// there by default one of the proxy's extra_args counts as well. They are Envoy Gateway's.
std::vector<std::string> make_pod_arguments(const ir::Proxy& proxy, std::vector<std::string> own);

// The workers of an Envoy that is started with these. Where they do not say, as many as there are processors
// on which it may run, which are those on which we may.
std::uint32_t concurrency_of(const std::vector<std::string>& arguments);

}  // namespace sluice::proxy

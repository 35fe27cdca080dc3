#include "proxy/command_line.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

namespace sluice::proxy {
namespace {

using std::chrono::seconds;

// Envoy takes whole seconds and divides by them.
seconds drain_time(const ir::Proxy& proxy) {
  return std::max(seconds(1), std::chrono::ceil<seconds>(proxy.drain_timeout));
}

}  // namespace

ir::Duration parent_shutdown_time(const ir::Proxy& proxy) { return drain_time(proxy) + seconds(2); }

std::vector<std::string> make_arguments(const ir::Proxy& proxy, const std::vector<std::string>& common_args,
                                        const Launch& launch) {
  std::vector<std::string> result = {
      "--config-path", launch.bootstrap_path, "--base-id", fmt::to_string(launch.base_id), "--restart-epoch",
      fmt::to_string(launch.restart_epoch),
      // Sockets in a folder of the owner's, rather than abstract ones that everybody on the host may talk to.
      "--socket-path", launch.hot_restart_path, "--socket-mode", "600", "--drain-time-s",
      fmt::to_string(drain_time(proxy).count()), "--parent-shutdown-time-s",
      fmt::to_string(std::chrono::duration_cast<seconds>(parent_shutdown_time(proxy)).count())};
  // The old epoch may die at any moment; then the new one starts as if it were the first.
  if (launch.restart_epoch > 0) result.push_back("--skip-hot-restart-on-no-parent");
  if (proxy.concurrency) {
    result.insert(result.end(), {"--concurrency", fmt::to_string(*proxy.concurrency)});
  }
  std::vector<std::string> components;
  for (const auto& [component, level] : proxy.log_levels) {
    if (component == "default") {
      result.insert(result.end(), {"--log-level", level});
    } else {
      components.push_back(fmt::format("{}:{}", component, level));
    }
  }
  if (!components.empty()) {
    result.insert(result.end(), {"--component-log-level", fmt::format("{}", fmt::join(components, ","))});
  }
  result.insert(result.end(), common_args.begin(), common_args.end());
  result.insert(result.end(), proxy.extra_args.begin(), proxy.extra_args.end());
  return result;
}

std::uint32_t concurrency_of(const std::vector<std::string>& arguments) {
  constexpr std::string_view kOption = "--concurrency";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view value = arguments[i];
    if (!value.starts_with(kOption)) continue;
    value.remove_prefix(kOption.size());
    if (value.empty()) {
      if (i + 1 < arguments.size()) value = arguments[i + 1];
    } else {
      value.remove_prefix(1);  // "="
    }
    std::uint32_t result = 0;
    std::from_chars(value.data(), value.data() + value.size(), result);
    if (result > 0) return result;
  }
  cpu_set_t own;
  const bool known = ::sched_getaffinity(0, sizeof own, &own) == 0;
  return known ? static_cast<std::uint32_t>(CPU_COUNT(&own)) : 1;
}

}  // namespace sluice::proxy

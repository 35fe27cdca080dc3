#include "proxy/connections.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace sluice::proxy {

namespace {

// Of a statistic as "listener.0.0.0.0_10080.downstream_cx_active", "listener.[__]_10080.worker_0.…".
bool is_at(std::string_view name, std::span<const std::uint16_t> ports) {
  return std::ranges::any_of(ports,
                             [name](std::uint16_t port) { return name.contains(fmt::format("_{}.", port)); });
}

}  // namespace

std::optional<std::uint64_t> count_connections(std::string_view stats,
                                               std::span<const std::uint16_t> ignored_ports) {
  std::optional<std::uint64_t> of_listeners;
  std::optional<std::uint64_t> of_server;
  while (!stats.empty()) {
    const std::size_t end = std::min(stats.find('\n'), stats.size());
    const std::string_view line = stats.substr(0, end);
    stats.remove_prefix(std::min(end + 1, stats.size()));
    const std::size_t colon = line.rfind(": ");
    if (colon == line.npos) continue;
    const std::string_view name = line.substr(0, colon);
    std::uint64_t value = 0;
    std::from_chars(line.data() + colon + 2, line.data() + line.size(), value);
    if (name == "server.total_connections") of_server = value;
    if (name.starts_with("listener.") && !name.starts_with("listener.admin.")) {
      of_listeners = of_listeners.value_or(0) + (is_at(name, ignored_ports) ? 0 : value);
    }
  }
  // The server's own number is some seconds old.
  return of_listeners ? of_listeners : of_server;
}

}  // namespace sluice::proxy

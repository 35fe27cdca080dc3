#include "observe/fleet.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::observe {
namespace {

// A node that hangs for long is behind by so many commits at least; no more are kept for it.
constexpr std::size_t kMostOpen = 10'000;

constexpr std::array<std::string_view, 5> kStates{"starting", "ready", "draining", "exited", "backing off"};

}  // namespace

std::string_view state_name(proxy::State state) { return kStates.at(static_cast<std::size_t>(state)); }

void Fleet::add(const ir::ProxyKey& proxy, std::vector<std::uint16_t> ports) {
  Proxy& row = rows_[proxy].proxy;
  row.key = proxy;
  row.ports = std::move(ports);
}

void Fleet::remove(const ir::ProxyKey& proxy) { rows_.erase(proxy); }

void Fleet::changed(const proxy::Event& event) {
  const auto at = rows_.find(event.proxy);
  if (at == rows_.end()) return;
  Proxy& proxy = at->second.proxy;
  // The end of a proxy that was removed has no pid.
  const bool died = event.state == proxy::State::kExited && event.pid != 0;
  if (died) ++proxy.failures;
  if (!died && event.pid != 0 && event.pid != proxy.pid) ++proxy.starts;
  proxy.state = event.state;
  proxy.pid = died ? 0 : event.pid;
  proxy.message = event.message;
}

void Fleet::connected(const ir::ProxyKey& proxy, const std::string& node) {
  const auto at = rows_.find(proxy);
  if (at == rows_.end()) return;
  Row& row = at->second;
  Node& added = row.nodes[node];
  added = {.name = node};
  catch_up(row, added);
}

void Fleet::disconnected(const ir::ProxyKey& proxy, const std::string& node) {
  const auto at = rows_.find(proxy);
  if (at == rows_.end()) return;
  at->second.nodes.erase(node);
  drop_done(at->second);
}

void Fleet::served(const ir::ProxyKey& proxy, std::uint64_t commit, std::optional<Time> noticed, Time now) {
  const auto at = rows_.find(proxy);
  if (at == rows_.end()) return;
  Row& row = at->second;
  row.proxy.commit = commit;
  row.open.push_back({commit, now, noticed});
  if (row.open.size() > kMostOpen) row.open.erase(row.open.begin() + 1);
  for (auto& [name, node] : row.nodes) catch_up(row, node);
}

std::vector<std::chrono::steady_clock::duration> Fleet::acknowledged(const ir::ProxyKey& proxy,
                                                                     const std::string& node,
                                                                     std::uint64_t commit, Time now) {
  std::vector<std::chrono::steady_clock::duration> latencies;
  const auto at = rows_.find(proxy);
  if (at == rows_.end()) return latencies;
  Row& row = at->second;
  row.proxy.serves = true;
  for (Served& served : row.open) {
    if (served.commit > commit) break;
    if (const auto noticed = std::exchange(served.noticed, std::nullopt)) latencies.push_back(now - *noticed);
  }
  if (const auto known = row.nodes.find(node); known != row.nodes.end()) {
    known->second.acknowledged = std::max(known->second.acknowledged, commit);
    catch_up(row, known->second);
  }
  drop_done(row);
  return latencies;
}

void Fleet::catch_up(const Row& row, Node& node) {
  const auto first = std::ranges::upper_bound(row.open, node.acknowledged, {}, &Served::commit);
  node.commits_behind = static_cast<std::size_t>(row.open.end() - first);
  node.behind_since = first == row.open.end() ? std::nullopt : std::optional(first->at);
}

void Fleet::drop_done(Row& row) {
  std::uint64_t all = row.proxy.commit;
  for (const auto& [name, node] : row.nodes) all = std::min(all, node.acknowledged);
  while (!row.open.empty() && row.open.front().commit <= all && !row.open.front().noticed)
    row.open.pop_front();
}

std::vector<Fleet::Proxy> Fleet::proxies() const {
  std::vector<Proxy> all;
  for (const auto& [key, row] : rows_) {
    Proxy& proxy = all.emplace_back(row.proxy);
    for (const auto& [name, node] : row.nodes) proxy.nodes.push_back(node);
  }
  return all;
}

}  // namespace sluice::observe

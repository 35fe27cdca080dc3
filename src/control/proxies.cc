#include "control/proxies.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice::control {

Proxies::Proxy* Proxies::find(const ir::ProxyKey& key) {
  const auto proxy = wanted_.find(key);
  return proxy == wanted_.end() ? nullptr : &proxy->second;
}

Proxies::Changes Proxies::follow(const flow::Table<ir::ProxyKey, translate::ProxyPlan>& wanted) {
  Changes changes;
  for (const auto& change : wanted.changes()) {
    if (change.after == nullptr) {
      handover_.gone(change.key);
      changes.removed.emplace(change.key, std::move(wanted_[change.key]));
      wanted_.erase(change.key);
      continue;
    }
    const bool fresh = !wanted_.contains(change.key);
    Proxy& proxy = wanted_[change.key];
    if (handover_.stay(change.key)) {
      const auto back = leaving_.extract(change.key);
      proxy.process = back.mapped().process;
      proxy.ready = back.mapped().ready;
    }
    proxy.aggregates = {change.key, Pipeline::patched_aggregate(change.key)};
    for (const translate::RouteTablePlan& table : change.after->route_tables)
      proxy.aggregates.insert(table.name);
    proxy.gateways.clear();
    for (const translate::GatewayPlan& gateway : change.after->gateways)
      proxy.gateways.insert(gateway.gateway);
    if (fresh) changes.added.push_back(change.key);
    if (fresh || !(proxy.process == change.after->proxy)) {
      proxy.process = change.after->proxy;
      changes.to_run.push_back(change.key);
    }
  }
  return changes;
}

bool Proxies::inherits(const Proxy& heir, const Proxy& left) const {
  if (heirs_ == Heirs::kOfPorts) {
    return std::ranges::any_of(left.process.ports, [&](std::uint16_t port) {
      return std::ranges::find(heir.process.ports, port) != heir.process.ports.end();
    });
  }
  if (heir.ready && heir.acknowledged == 0) return false;
  return std::ranges::any_of(left.gateways,
                             [&](const NamespacedName& gateway) { return heir.gateways.contains(gateway); });
}

void Proxies::leave(std::map<ir::ProxyKey, Proxy> removed, std::uint64_t commit,
                    const std::vector<ir::ProxyKey>& served, Handover::Time now) {
  for (const auto& [key, left] : removed) {
    std::set<ir::ProxyKey> heirs;
    for (const ir::ProxyKey& other : served) {
      if (inherits(wanted_.at(other), left)) heirs.insert(other);
    }
    handover_.leave(key, commit, std::move(heirs), now);
  }
  leaving_.merge(removed);
}

void Proxies::leave_orphans(const std::vector<ir::ProxyKey>& adopted, std::uint64_t commit,
                            Handover::Time now) {
  for (const ir::ProxyKey& orphan : adopted) {
    if (wanted_.contains(orphan) || leaving_.contains(orphan)) continue;
    std::set<ir::ProxyKey> heirs;
    for (const auto& [key, proxy] : wanted_) {
      if (!proxy.ready || proxy.acknowledged == 0) heirs.insert(key);
    }
    handover_.leave(orphan, commit, std::move(heirs), now);
    leaving_.emplace(orphan, Proxy{});
  }
}

void Proxies::set_ready(const ir::ProxyKey& key, bool ready) {
  if (const auto leaving = leaving_.find(key); leaving != leaving_.end()) leaving->second.ready = ready;
  Proxy* const proxy = find(key);
  if (proxy == nullptr) return;
  proxy->ready = ready;
  if (!ready) return;
  const bool elsewhere = heirs_ == Heirs::kOfGateways && proxy->acknowledged == 0;
  handover_.serves(key, elsewhere ? std::numeric_limits<std::uint64_t>::max() : proxy->acknowledged);
}

bool Proxies::acknowledge(const ir::ProxyKey& key, std::uint64_t commit) {
  Proxy& proxy = wanted_.at(key);
  const bool first = proxy.acknowledged == 0;
  proxy.acknowledged = std::max(proxy.acknowledged, commit);
  if (proxy.ready) handover_.serves(key, commit);
  return first;
}

std::vector<ir::ProxyKey> Proxies::take_ended(Handover::Time now) {
  std::vector<ir::ProxyKey> ended = handover_.take(now);
  for (const ir::ProxyKey& key : ended) leaving_.erase(key);
  return ended;
}

}  // namespace sluice::control

// Of Session: what the node is to hold, of which clusters hold back what names them.
#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "ads/session.h"
#include "ads/session_types.h"

namespace sluice::ads {
namespace {

const std::vector<std::string>& clusters_of(const ResourcePtr& resource) {
  static const std::vector<std::string> none;
  return resource ? resource->clusters : none;
}

std::vector<std::string_view> clusters_of(const ResourcePtr& a, const ResourcePtr& b) {
  std::vector<std::string_view> all;
  std::ranges::set_union(clusters_of(a), clusters_of(b), std::back_inserter(all));
  return all;
}

}  // namespace

// ---- what the node is to hold ------------------------------------------------------------------

ResourcePtr Session::offered(Type type, const std::string& name, const Item* item) const {
  const ProxyState::Entry* entry = state_->find(type, name);
  if (entry && entry->resource) return entry->resource;
  if (!has_empty(type)) return nullptr;

  // Whoever asks is answered. But endpoints go with their cluster, and a route table when it is no longer
  // asked for.
  if (item && item->held && !(type == Type::kEndpoints && live(Type::kCluster, name))) return item->held;
  if (type == Type::kEndpoints && !live(Type::kCluster, name) && !memory_.held.empty()) {
    auto it = memory_.held.find({type, name});
    if (it != memory_.held.end()) return it->second;
  }
  return empty_resource(type, name);
}

ResourcePtr Session::wanted(Type type, const std::string& name, const Item* item) const {
  ResourcePtr resource = offered(type, name, item);
  if (!resource || memory_.refusals.empty()) return resource;
  auto it = memory_.refusals.find({type, name});
  if (it == memory_.refusals.end() || it->second.version != resource->version) return resource;
  if (it->second.fallback) return it->second.fallback;
  if (!has_empty(type) || it->second.bare) return nullptr;
  ResourcePtr empty = empty_resource(type, name);
  return same_version(empty, resource) ? nullptr : empty;
}

bool Session::live(Type type, const std::string& name) const {
  const ProxyState::Entry* entry = state_->find(type, name);
  return entry && entry->resource;
}

Session::Need Session::need(Type type, const std::string& name, const Item& item) const {
  const ResourcePtr resource = wanted(type, name, &item);
  const ResourcePtr& latest = item.on_way ? item.sent : item.held;
  if (resource) {
    if (!resource->bytes) return Need::kNothing;  // the node brought it along and is to keep it
    const bool force = item.force || (type == Type::kEndpoints && memory_.endpoints_due.contains(name));
    return force || !same_version(latest, resource) ? Need::kSend : Need::kNothing;
  }
  if (latest) return has_wildcard(type) ? Need::kRemove : Need::kNothing;
  // "There is no such thing" lets Envoy go on; state-of-the-world has no words for that.
  return item.force && item.named && variant_ == Variant::kDelta ? Need::kRemove : Need::kNothing;
}

void Session::consider(Type type, const std::string& name, Time now) {
  Channel& ch = channel(type);
  if (!state_) return;
  const ProxyState::Entry* entry = state_->find(type, name);
  const bool is_live = entry && entry->resource;
  if (!memory_.refusals.empty()) {
    auto known = ch.items.find(name);
    const ResourcePtr best = offered(type, name, known == ch.items.end() ? nullptr : &known->second);
    auto refusal = memory_.refusals.find({type, name});
    if (refusal != memory_.refusals.end() && !(best && best->version == refusal->second.version)) {
      forget_refusal(type, name, now);
    }
  }
  if (!ch.resolved) return;

  auto it = ch.items.find(name);
  if (it == ch.items.end() && ch.wildcard && is_live) {
    it = ch.items.emplace(name, Item{.id = ++ids_}).first;
  }
  if (it != ch.items.end()) {
    Item& item = it->second;
    if (item.doubtful && !is_live && !item.on_way) {
      item.doubtful = false;
      if (!item.held)
        put(type, item, unknown_resource(type, name, 0), nullptr, now);  // so that it is removed
    }
    const Need what = need(type, name, item);
    // A cluster's removal has its own time.
    const bool removal =
        type == Type::kCluster && what == Need::kRemove && (item.on_way ? item.sent : item.held);
    set_dirty(type, name, item, what != Need::kNothing && !removal);
    if (type == Type::kCluster) consider_cluster(name, &item, now);
    if (!is_live && !item.named && !item.held && !item.on_way) drop_item(type, name, now);
  }
  // Whether endpoints are to be empty or to stay depends on their cluster.
  if (type == Type::kCluster && channel(Type::kEndpoints).items.contains(name))
    consider(Type::kEndpoints, name, now);
}

void Session::consider_all(Type type, Time now) {
  std::vector<std::string> names;
  for (const auto& [name, item] : channel(type).items) names.push_back(name);
  for (const std::string& name : names) consider(type, name, now);
  if (!channel(type).wildcard) return;
  state_->each(type, [&](const std::string& name, const ProxyState::Entry& entry) {
    if (entry.resource) consider(type, name, now);
  });
}

void Session::consider_cluster(const std::string& name, const Item* item, Time now) {
  const ResourcePtr resource = wanted(Type::kCluster, name, item);
  if (resource || !live(Type::kCluster, name)) end_wait(name);
  if (resource) {
    if (same_version(item->held, resource) && !item->on_way) {
      if (unsettled_.erase(name)) gates_changed_ = true;
    } else {
      unsettled_.insert(name);
    }
  } else if (unsettled_.erase(name)) {
    gates_changed_ = true;
  }

  const ResourcePtr& latest = item->on_way ? item->sent : item->held;
  auto it = leaving_.find(name);
  if (resource || !latest) {
    if (it == leaving_.end()) return;
    if (it->second.due) removals_.erase({*it->second.due, name});
    leaving_.erase(it);
    return;
  }
  if (it == leaving_.end()) it = leaving_.emplace(name, Leaving{}).first;
  schedule_removal(name, it->second, now);
}

void Session::schedule_removal(const std::string& name, Leaving& leaving, Time now) {
  const bool free = opaque_ == 0 && !uses_.contains(name);
  if (!free) {
    leaving.free_since.reset();
  } else if (!leaving.free_since) {
    leaving.free_since = now;
  }
  std::optional<Time> due;
  if (free) {
    // One that was never acknowledged was never routed to.
    const Channel& ch = channel(Type::kCluster);
    auto it = ch.items.find(name);
    const bool routed = it != ch.items.end() && it->second.held;
    due = *leaving.free_since + (routed ? removal_grace_ : std::chrono::milliseconds(0));
  }
  if (due == leaving.due) return;
  if (leaving.due) removals_.erase({*leaving.due, name});
  if (due) removals_.emplace(*due, name);
  leaving.due = due;
}

void Session::set_dirty(Type type, const std::string& name, Item& item, bool dirty) {
  Channel& ch = channel(type);
  ch.gated.erase(name);
  if (!dirty) {
    ch.dirty.erase(name);
    drop_pending(item.dirty_since);
    item.latched.reset();
    return;
  }
  ch.dirty.insert(name);
  if (item.dirty_since == 0) {
    const ProxyState::Entry* entry = state_->find(type, name);
    item.dirty_since = entry ? entry->commit : cursor_;
    add_pending(item.dirty_since);
  }
}

void Session::drop_item(Type type, const std::string& name, Time now) {
  Channel& ch = channel(type);
  auto it = ch.items.find(name);
  Item& item = it->second;
  set_dirty(type, name, item, false);
  drop_pending(item.sent_since);
  put(type, item, nullptr, nullptr, now);
  if (type == Type::kCluster) {
    end_wait(name);
    if (unsettled_.erase(name)) gates_changed_ = true;
    if (auto leaving = leaving_.find(name); leaving != leaving_.end()) {
      if (leaving->second.due) removals_.erase({*leaving->second.due, name});
      leaving_.erase(leaving);
    }
  }
  ch.items.erase(it);
}

// ---- clusters and those who name them ----------------------------------------------------------

void Session::await_verdict(const std::string& cluster, Time now) {
  // After a wait there is as long a time in which whatever has waited can go.
  if (!awaited_until_ || now >= *awaited_until_ + kVerdictTime) awaited_until_ = now + kVerdictTime;
  if (now < *awaited_until_) awaited_.insert(cluster);
}

void Session::end_wait(const std::string& cluster) {
  if (awaited_.erase(cluster) > 0) gates_changed_ = true;
}

bool Session::gated(const Item& item, const Resource& resource, std::uint64_t commit) const {
  const auto named = [&](const std::string& cluster) {
    return std::ranges::binary_search(resource.clusters, cluster);
  };
  if (item.held && std::ranges::any_of(awaited_, named)) return true;
  const Channel& ch = channel(Type::kCluster);
  // A node that comes back while clusters warm asks for clusters only when they are warm.
  if (!ch.resolved) return !resource.clusters.empty();
  const auto blocks = [&](const std::string& cluster) {
    auto it = ch.items.find(cluster);
    if (it == ch.items.end() || !it->second.held) return true;
    if (it->second.on_way && !it->second.sent) return true;
    // It can be routed to. A change of it that is no older than the resource may belong with it; a newer one
    // does not.
    const ProxyState::Entry* entry = state_->find(Type::kCluster, cluster);
    return entry && entry->commit <= commit;
  };
  if (unsettled_.size() < resource.clusters.size()) {
    return std::ranges::any_of(unsettled_,
                               [&](const std::string& cluster) { return named(cluster) && blocks(cluster); });
  }
  return std::ranges::any_of(resource.clusters, [&](const std::string& cluster) {
    return unsettled_.contains(cluster) && blocks(cluster);
  });
}

bool Session::may_go_latched(const Item& item) const {
  if (!item.latched || gated(item, *item.latched, item.latched_commit)) return false;
  // One of its clusters may have been dropped since, before the node had it.
  const Channel& ch = channel(Type::kCluster);
  return std::ranges::all_of(item.latched->clusters, [&](const std::string& cluster) {
    const ProxyState::Entry* entry = state_->find(Type::kCluster, cluster);
    if (entry && (entry->resource || entry->commit <= item.latched_commit)) return true;
    auto it = ch.items.find(cluster);
    return it != ch.items.end() && it->second.held;
  });
}

void Session::latch_gated() {
  for (Type type : {Type::kListener, Type::kRoutes}) {
    Channel& ch = channel(type);
    for (const NameSet* names : {&ch.dirty, &ch.gated}) {
      for (const std::string& name : *names) {
        Item& item = ch.items.find(name)->second;
        // One that may go by now goes first.
        if (may_go_latched(item)) continue;
        item.latched = wanted(type, name, &item);
        item.latched_commit = cursor_;
      }
    }
  }
}

void Session::put(Type type, Item& item, ResourcePtr held, ResourcePtr sent, Time now) {
  const ResourcePtr held_before = std::exchange(item.held, std::move(held));
  const ResourcePtr sent_before = std::exchange(item.sent, std::move(sent));
  if (type == Type::kListener && item.held != held_before) listeners_changed_ = true;
  if (!has_gate(type)) return;

  const auto opaque = [](const ResourcePtr& resource) { return resource && !resource->bytes ? 1 : 0; };
  const int opaque_before = opaque_;
  opaque_ += opaque(item.held) - opaque(held_before);

  const auto before = clusters_of(held_before, sent_before);
  const auto after = clusters_of(item.held, item.sent);
  std::vector<std::string_view> changed;
  std::ranges::set_difference(after, before, std::back_inserter(changed));
  for (std::string_view cluster : changed) count_use(cluster, 1, now);
  changed.clear();
  std::ranges::set_difference(before, after, std::back_inserter(changed));
  for (std::string_view cluster : changed) count_use(cluster, -1, now);

  if ((opaque_ == 0) != (opaque_before == 0)) {
    for (auto& [name, leaving] : leaving_) schedule_removal(name, leaving, now);
  }
}

void Session::use_fallback(const Memory::Refusal& refusal, int more, Time now) {
  if (!refusal.fallback || !has_gate(refusal.fallback->type)) return;
  for (const std::string& cluster : refusal.fallback->clusters) count_use(cluster, more, now);
}

void Session::review_refusals(Time now) {
  std::vector<Memory::Name> names;
  names.reserve(memory_.refusals.size());
  for (const auto& [name, refusal] : memory_.refusals) names.push_back(name);
  for (const auto& [type, name] : names) consider(type, name, now);
}

void Session::forget_refusal(Type type, const std::string& name, Time now) {
  auto it = memory_.refusals.find({type, name});
  if (it == memory_.refusals.end()) return;
  use_fallback(it->second, -1, now);
  memory_.refusals.erase(it);
}

void Session::count_use(std::string_view cluster, int more, Time now) {
  auto it = uses_.find(cluster);
  if (it == uses_.end()) it = uses_.emplace(std::string(cluster), 0).first;
  const int before = it->second;
  it->second += more;
  assert(it->second >= 0);
  if (before != 0 && it->second != 0) return;
  if (it->second == 0) uses_.erase(it);
  auto leaving = leaving_.find(cluster);
  if (leaving != leaving_.end()) schedule_removal(leaving->first, leaving->second, now);
}

}  // namespace sluice::ads

#include "control/retries.h"

#include <algorithm>
#include <iterator>

#include "translate/unserved.h"

namespace sluice::control {

std::chrono::milliseconds Retries::delay(int tries) {
  constexpr int kDoublings = 16;  // more would not change the minimum
  const auto whole = std::min(kLongest, kFirst * (1 << std::min(tries, kDoublings)));
  std::uniform_int_distribution<std::chrono::milliseconds::rep> part(whole.count() * 3 / 4, whole.count());
  return std::chrono::milliseconds(part(random_));
}

void Retries::refused(const ads::Rejected& rejected, translate::Unserved why, Time now) {
  const Resource resource{rejected.type, {rejected.proxy, rejected.name}};
  Entry& entry = entries_[resource];
  entry.nodes[rejected.node] = {
      .version = rejected.version, .commit = rejected.commit, .why = std::move(why)};
  if (!entry.due) entry.due = now + delay(entry.tries++);
  touch(resource);
}

void Retries::touch(const Resource& resource) {
  touched_.insert(resource);
  news_ = true;
}

template <typename Ends>
void Retries::drop(Ends ends) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto& [resource, entry] = *at;
    const auto dropped = std::erase_if(
        at->second.nodes, [&](const auto& node) { return ends(at->first, node.first, node.second); });
    if (dropped > 0) touch(resource);
    at = entry.nodes.empty() ? entries_.erase(at) : std::next(at);
  }
}

void Retries::recovered(const ads::Recovered& recovered) {
  const Resource which{recovered.type, {recovered.proxy, recovered.name}};
  drop([&](const Resource& resource, const std::string& node, const Refusal&) {
    return resource == which && node == recovered.node;
  });
}

void Retries::disconnected(const ads::Disconnected& disconnected) {
  drop([&](const Resource& resource, const std::string& node, const Refusal&) {
    return resource.key.proxy == disconnected.proxy && node == disconnected.node;
  });
}

void Retries::acknowledged(const ads::Acknowledged& acknowledged, const VersionOf& version_of) {
  drop([&](const Resource& resource, const std::string& node, const Refusal& refusal) {
    return resource.key.proxy == acknowledged.proxy && node == acknowledged.node &&
           acknowledged.commit > refusal.commit && version_of(resource) != refusal.version;
  });
}

void Retries::committed(const VersionOf& version_of) {
  drop([&](const Resource& resource, const std::string&, const Refusal&) { return !version_of(resource); });
}

std::set<std::uint16_t> Retries::taken_ports() const {
  std::set<std::uint16_t> ports;
  for (const auto& [resource, entry] : entries_) {
    for (const auto& [node, refusal] : entry.nodes) {
      if (const auto port = translate::taken_port(refusal.why)) ports.insert(*port);
    }
  }
  return ports;
}

void Retries::freed(std::uint16_t port, Time now) {
  for (auto& [resource, entry] : entries_) {
    const bool waits = std::ranges::any_of(
        entry.nodes, [port](const auto& node) { return translate::taken_port(node.second.why) == port; });
    if (!waits) continue;
    entry.tries = 0;
    if (entry.due) entry.due = now;
  }
}

bool Retries::knows(const ads::Rejected& rejected, const translate::Unserved& why) const {
  const auto entry = entries_.find({rejected.type, {rejected.proxy, rejected.name}});
  if (entry == entries_.end()) return false;
  const auto refusal = entry->second.nodes.find(rejected.node);
  return refusal != entry->second.nodes.end() && refusal->second.version == rejected.version &&
         refusal->second.why == why;
}

std::optional<Retries::Time> Retries::wake_at() const {
  std::optional<Time> at;
  for (const auto& [resource, entry] : entries_) {
    if (entry.due) at = at ? std::min(*at, *entry.due) : *entry.due;
  }
  return at;
}

std::vector<Retries::Resource> Retries::take_due(Time now) {
  std::vector<Resource> due;
  for (auto& [resource, entry] : entries_) {
    if (!entry.due || *entry.due > now) continue;
    entry.due.reset();
    due.push_back(resource);
  }
  return due;
}

void Retries::heard(const std::string& replica, std::vector<UnservedResource> unserved) {
  std::map<Resource, translate::Unserved>& its = others_[replica];
  for (const auto& [resource, why] : its) touched_.insert(resource);
  its.clear();
  for (UnservedResource& each : unserved) {
    const Resource resource{each.type, std::move(each.key)};
    touched_.insert(resource);
    its[resource] = std::move(each.why);
  }
  if (its.empty()) others_.erase(replica);
}

std::vector<UnservedResource> Retries::report() const {
  std::vector<UnservedResource> all;
  for (const auto& [resource, entry] : entries_) {
    all.push_back({.type = resource.type, .key = resource.key, .why = entry.nodes.rbegin()->second.why});
  }
  return all;
}

std::optional<translate::Unserved> Retries::why(const Resource& resource) const {
  const auto entry = entries_.find(resource);
  if (entry != entries_.end()) return entry->second.nodes.rbegin()->second.why;
  for (const auto& [replica, unserved] : others_) {
    const auto theirs = unserved.find(resource);
    if (theirs != unserved.end()) return theirs->second;
  }
  return std::nullopt;
}

std::vector<std::pair<Retries::Resource, std::optional<translate::Unserved>>> Retries::take_changes() {
  std::vector<std::pair<Resource, std::optional<translate::Unserved>>> changes;
  for (const Resource& resource : std::exchange(touched_, {})) {
    std::optional<translate::Unserved> now = why(resource);
    const auto told = told_.find(resource);
    const bool same = now ? told != told_.end() && told->second == *now : told == told_.end();
    if (same) continue;
    if (now) {
      told_[resource] = *now;
    } else {
      told_.erase(told);
    }
    changes.emplace_back(resource, std::move(now));
  }
  return changes;
}

}  // namespace sluice::control

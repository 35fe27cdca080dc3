// The newest state of every proxy: per proxy, (type, name) → the newest resource and the commit that made it
// so.
//
// A reader remembers the commit up to which it has looked, and asks what has changed since: each name comes
// once, however often it changed. Removed names are remembered as such for a while, so that a reader which is
// a few commits behind learns of them; one that is far behind is told to look at everything.
//
// Cost: apply() is O(changed · log resources), a read is O(changed since). Bytes are shared, never copied.
//
// Threads: none of its own; the server's loop owns it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ads/server.h"

namespace sluice::ads {

using ResourcePtr = std::shared_ptr<const Resource>;

class ProxyState {
 public:
  struct Entry {
    ResourcePtr resource;      // null: removed
    std::uint64_t commit = 0;  // that made it so
  };

  // The newest commit, 0 before the first.
  std::uint64_t commit() const { return commit_; }
  // Null where the name is unknown (or was removed long ago).
  const Entry* find(xds::ResourceType type, std::string_view name) const;
  // Calls visit(name, entry) for every name of the type; also for removed ones that are remembered.
  template <typename Visit>
  void each(xds::ResourceType type, Visit visit) const;
  // Calls visit(type, name, entry) for what changed in commits after `since`, oldest first. False, and no
  // call, when that reaches back further than removals are remembered: then look at each() and at what you
  // hold yourself.
  template <typename Visit>
  bool changes_since(std::uint64_t since, Visit visit) const;

  // Commits grow; a resource whose version is unchanged is no change. Clusters are sorted from here on.
  void apply(const Update& update);

 private:
  struct Slot;
  struct Key {
    xds::ResourceType type;
    const std::string* name;  // the key of the Slot in names_
    Slot* slot;
  };
  using Log = std::multimap<std::uint64_t, Key>;
  struct Slot {
    Entry entry;
    Log::iterator logged;
  };
  using Names = std::map<std::string, Slot, std::less<>>;

  void change(xds::ResourceType type, const std::string& name, ResourcePtr resource);
  void forget_removals();

  std::array<Names, xds::kResourceTypes> names_;
  Log log_;  // commit → what it changed last; every name once
  std::uint64_t commit_ = 0;
  std::uint64_t forgotten_ = 0;  // removals of commits up to this one may be unknown
  std::size_t removals_ = 0;     // remembered ones
};

class Store {
 public:
  // Null for a proxy that has not had its first update. Valid until remove().
  const ProxyState* find(const ir::ProxyKey& proxy) const;
  void apply(const ir::ProxyKey& proxy, const Update& update);
  void remove(const ir::ProxyKey& proxy);

 private:
  std::map<ir::ProxyKey, std::unique_ptr<ProxyState>> proxies_;
};

template <typename Visit>
void ProxyState::each(xds::ResourceType type, Visit visit) const {
  for (const auto& [name, slot] : names_[static_cast<std::size_t>(type)]) visit(name, slot.entry);
}

template <typename Visit>
bool ProxyState::changes_since(std::uint64_t since, Visit visit) const {
  if (since < forgotten_) return false;
  for (auto it = log_.upper_bound(since); it != log_.end(); ++it) {
    const Key& key = it->second;
    visit(key.type, *key.name, key.slot->entry);
  }
  return true;
}

}  // namespace sluice::ads

#include "ads/store.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace sluice::ads {
namespace {

// Removals remembered per proxy before they are dropped; at least as many as there are live resources.
constexpr std::size_t kRemembered = 1'000;

}  // namespace

const ProxyState::Entry* ProxyState::find(xds::ResourceType type, std::string_view name) const {
  const Names& names = names_[static_cast<std::size_t>(type)];
  auto it = names.find(name);
  return it == names.end() ? nullptr : &it->second.entry;
}

void ProxyState::apply(const Update& update) {
  if (update.commit <= commit_) {
    fmt::print(stderr, "ads: commit {} comes after commit {}\n", update.commit, commit_);
    std::abort();
  }
  commit_ = update.commit;
  for (const auto& [type, name] : update.removed) change(type, name, nullptr);
  for (const Resource& resource : update.changed) {
    auto copy = std::make_shared<Resource>(resource);
    if (!std::ranges::is_sorted(copy->clusters)) std::ranges::sort(copy->clusters);
    copy->clusters.erase(std::ranges::unique(copy->clusters).begin(), copy->clusters.end());
    change(resource.type, resource.name, std::move(copy));
  }
  if (removals_ > std::max(kRemembered, log_.size() / 2)) forget_removals();
}

void ProxyState::change(xds::ResourceType type, const std::string& name, ResourcePtr resource) {
  Names& names = names_[static_cast<std::size_t>(type)];
  auto it = names.find(name);
  if (it == names.end()) {
    if (!resource) return;
    it = names.emplace(name, Slot{}).first;
  } else {
    Slot& slot = it->second;
    const bool same = slot.entry.resource && resource ? slot.entry.resource->version == resource->version
                                                      : !slot.entry.resource && !resource;
    if (same) return;
    if (!slot.entry.resource) --removals_;
    log_.erase(slot.logged);
  }
  Slot& slot = it->second;
  if (!resource) ++removals_;
  slot.entry = {std::move(resource), commit_};
  slot.logged = log_.emplace_hint(log_.end(), commit_, Key{type, &it->first, &slot});
}

void ProxyState::forget_removals() {
  // Not those of the newest commit: readers that keep up have yet to see them.
  const auto end = log_.lower_bound(commit_);
  for (auto it = log_.begin(); it != end;) {
    const Key key = it->second;
    if (key.slot->entry.resource) {
      ++it;
      continue;
    }
    it = log_.erase(it);
    Names& names = names_[static_cast<std::size_t>(key.type)];
    names.erase(names.find(*key.name));
    --removals_;
  }
  forgotten_ = commit_ - 1;
}

const ProxyState* Store::find(const ir::ProxyKey& proxy) const {
  auto it = proxies_.find(proxy);
  return it == proxies_.end() ? nullptr : it->second.get();
}

void Store::apply(const ir::ProxyKey& proxy, const Update& update) {
  auto& state = proxies_[proxy];
  if (!state) state = std::make_unique<ProxyState>();
  state->apply(update);
}

void Store::remove(const ir::ProxyKey& proxy) { proxies_.erase(proxy); }

}  // namespace sluice::ads

#include "translate/host_index.h"

#include <algorithm>

namespace sluice::translate {

void HostIndex::Firsts::add(std::size_t owner) {
  if (owner == first || owner >= second) return;
  second = owner;
  if (second < first) std::swap(first, second);
}

// As covers() has it: a host is below a wildcard by its end, and is longer than that.
template <typename Entries, typename F>
void HostIndex::each_wider(Entries& wildcards, std::string_view host, F f) const {
  for (const std::size_t size : suffix_sizes_) {
    if (size >= host.size()) continue;
    const auto wider = wildcards.find(host.substr(host.size() - size));
    if (wider != wildcards.end()) f(wider->second);
  }
}

HostIndex::HostIndex(const std::vector<std::pair<std::string_view, std::size_t>>& hosts) {
  for (const auto& [host, owner] : hosts) {
    const bool wild = host.starts_with('*');
    Entry& entry = wild ? wildcards_[host.substr(1)] : names_[host];
    entry.owners.add(owner);
    if (wild) suffix_sizes_.push_back(host.size() - 1);
  }
  std::ranges::sort(suffix_sizes_);
  suffix_sizes_.erase(std::ranges::unique(suffix_sizes_).begin(), suffix_sizes_.end());

  const auto tell_wider = [this](std::string_view host, const Entry& narrow) {
    each_wider(wildcards_, host, [&narrow](Entry& wide) {
      wide.below.add(narrow.owners.first);
      wide.below.add(narrow.owners.second);
    });
  };
  for (const auto& [host, entry] : names_) tell_wider(host, entry);
  // A wildcard covers itself, which adds nothing to what it has.
  for (const auto& [suffix, entry] : wildcards_) {
    tell_wider({suffix.data() - 1, suffix.size() + 1}, entry);
  }
}

std::size_t HostIndex::first(std::string_view host, std::size_t except) const {
  const bool wild = host.starts_with('*');
  const auto& entries = wild ? wildcards_ : names_;
  const Entry& own = entries.at(wild ? host.substr(1) : host);
  std::size_t found = std::min(own.owners.without(except), own.below.without(except));
  each_wider(wildcards_, host,
             [&](const Entry& wide) { found = std::min(found, wide.owners.without(except)); });
  return found;
}

}  // namespace sluice::translate

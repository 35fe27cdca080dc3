#include "control/handover.h"

#include <algorithm>
#include <utility>

namespace sluice::control {

void Handover::leave(const ir::ProxyKey& proxy, std::uint64_t commit, std::set<ir::ProxyKey> heirs,
                     Time now) {
  leaving_[proxy] = {.commit = commit, .heirs = std::move(heirs), .until = now + kLongest};
}

void Handover::serves(const ir::ProxyKey& heir, std::uint64_t commit) {
  for (auto& [proxy, leaving] : leaving_) {
    if (leaving.commit <= commit) leaving.heirs.erase(heir);
  }
}

void Handover::gone(const ir::ProxyKey& heir) {
  for (auto& [proxy, leaving] : leaving_) leaving.heirs.erase(heir);
}

std::optional<Handover::Time> Handover::wake_at() const {
  std::optional<Time> at;
  for (const auto& [proxy, leaving] : leaving_) at = at ? std::min(*at, leaving.until) : leaving.until;
  return at;
}

std::vector<ir::ProxyKey> Handover::take(Time now) {
  std::vector<ir::ProxyKey> done;
  std::erase_if(leaving_, [&](const auto& entry) {
    const auto& [proxy, leaving] = entry;
    if (!leaving.heirs.empty() && now < leaving.until) return false;
    done.push_back(proxy);
    return true;
  });
  return done;
}

}  // namespace sluice::control

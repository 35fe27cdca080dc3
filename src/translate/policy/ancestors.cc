#include "translate/policy/ancestors.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::translate {

Conditions& conditions_of(Ancestors& ancestors, const api::ParentReference& ancestor) {
  const auto at =
      std::ranges::find_if(ancestors, [&ancestor](const auto& entry) { return entry.first == ancestor; });
  if (at != ancestors.end()) return at->second;
  return ancestors.emplace_back(ancestor, Conditions()).second;
}

Ancestors limit_ancestors(Ancestors ancestors) {
  if (ancestors.size() <= kMaxAncestors) return ancestors;
  ancestors.resize(kMaxAncestors);
  ancestors.back().second.push_back(
      {"Aggregated", true, "Aggregated",
       fmt::format("There are more than {} ancestors, and a status has room for no more", kMaxAncestors)});
  return ancestors;
}

}  // namespace sluice::translate

#include "control/remarks.h"

#include <algorithm>
#include <utility>

namespace sluice::control {

bool Remarks::set(const ObjectKey& object, std::vector<Problem> problems) {
  const auto found = entries_.find(object);
  if (found == entries_.end() ? problems.empty() : found->second.problems == problems) return false;
  if (found != entries_.end()) {
    if (found->second.told) log_.remove_all(found->second.problems);
    entries_.erase(found);
  }
  if (!problems.empty()) entries_[object].problems = std::move(problems);
  return true;
}

void Remarks::committed() {
  for (auto& [object, entry] : entries_) {
    const bool ours = is_ours(object);
    if (std::exchange(entry.told, ours) == ours) continue;
    if (ours) {
      log_.add_all(entry.problems);
    } else {
      log_.remove_all(entry.problems);
    }
  }
}

bool Remarks::is_ours(const ObjectKey& object) const {
  const auto of_kind = std::ranges::find(pipeline_.statuses(), object.kind, &KindStatuses::kind);
  if (of_kind == pipeline_.statuses().end()) return true;
  const translate::ObjectStatus* const status = of_kind->table.get(object.name);
  return status != nullptr &&
         !(status->conditions.empty() && status->parents.empty() && status->ancestors.empty());
}

}  // namespace sluice::control

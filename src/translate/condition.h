// Conditions, as Kubernetes writes them in statuses.
//
// Translation makes them without a time or a generation; whoever writes the status adds both.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/interned.h"

namespace sluice::translate {

struct Condition {
  Interned type;
  bool status = true;
  Interned reason;
  std::string message;

  bool operator==(const Condition&) const = default;
};

using Conditions = std::vector<Condition>;

// The condition of that type, or null.
inline const Condition* find_condition(const Conditions& conditions, std::string_view type) {
  for (const Condition& c : conditions) {
    if (c.type == type) return &c;
  }
  return nullptr;
}

// Sets or replaces the condition of its type.
inline void set_condition(Conditions& conditions, Condition condition) {
  for (Condition& c : conditions) {
    if (c.type == condition.type) {
      c = std::move(condition);
      return;
    }
  }
  conditions.push_back(std::move(condition));
}

}  // namespace sluice::translate

// A table with some of its rows replaced.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "flow/table.h"

namespace sluice::flow::internal {

// The rows of `over`, and of `base` those whose keys `over` has no row of, shared. Runs nothing, and costs
// the rows of `base` a pointer each.
template <class K, class V>
class OverlayTable final : public Table<K, V> {
 public:
  using typename Table<K, V>::Row;

  OverlayTable(Core& core, std::string name, const Table<K, V>& base, const Table<K, V>& over)
      : Table<K, V>(core, base.keys(), Kind::kStage, std::move(name)), base_(&base), over_(&over) {}

 private:
  void refresh() override {
    std::vector<Slot> done;
    for (const auto& change : over_->changes()) {
      const Slot slot = this->keys().acquire(change.key);
      this->put(slot, change.after != nullptr ? change.after : base_->row(slot));
      done.push_back(slot);
    }
    std::ranges::sort(done);
    for (const Slot slot : base_->changed_slots()) {
      const bool covered = over_->size() > 0 && over_->row(over_->keys().find(this->keys()[slot])) != nullptr;
      if (!covered && !std::ranges::binary_search(done, slot)) this->put(slot, base_->row(slot));
    }
  }

  const Table<K, V>* base_;
  const Table<K, V>* over_;
};

}  // namespace sluice::flow::internal

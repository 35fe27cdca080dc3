// A stage that makes a row of the rows of a group.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "flow/index.h"
#include "flow/reads.h"
#include "flow/table.h"

namespace sluice::flow::internal {

// One run per group that has rows.
template <class G, class K, class InV, class V>
class GroupTable final : public Table<G, V> {
 public:
  using typename Table<G, V>::Row;
  using Fn = std::function<Row(const G&, Reads&)>;

  GroupTable(Core& core, std::string name, const Index<G, K, InV>& index, Fn fn)
      : Table<G, V>(core, index.keys(), Kind::kStage, std::move(name)), index_(&index), fn_(std::move(fn)) {}

 private:
  void refresh() override {
    // That a group's rows change is the business of those who read it; that there are any, or none, is ours.
    for (const Slot group : index_->changed_slots()) {
      if (group >= has_run_.size()) lengthen(has_run_, this->keys().capacity());
      if (has_run_[group] != index_->holds(group)) this->queue(group);
    }
    std::vector<Slot> queue = this->take_queue();
    for (const Slot group : queue) {
      has_run_[group] = index_->holds(group);
      Row row;
      if (has_run_[group]) {
        const G& name = this->keys()[group];
        Reads reads(this->core(), *this, this->keys(), &name, group);
        row = fn_(name, reads);
      } else {
        this->core().drop_run(*this, group);
      }
      this->put(group, std::move(row));
    }
    this->recycle(std::move(queue));
  }

  const Index<G, K, InV>* index_;
  Fn fn_;
  std::vector<bool> has_run_;  // by group
};

}  // namespace sluice::flow::internal

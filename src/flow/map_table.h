// A stage that makes a row of a row.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "flow/reads.h"
#include "flow/table.h"

namespace sluice::flow::internal {

// One run per row of `over`, at most one row each, with the same key.
template <class InV, class K, class V>
class MapTable final : public Table<K, V> {
 public:
  using typename Table<K, V>::Row;
  using Fn = std::function<Row(const K&, const InV&, Reads&)>;

  MapTable(Core& core, std::string name, const Table<K, InV>& over, Fn fn)
      : Table<K, V>(core, over.keys(), Kind::kStage, std::move(name)), over_(&over), fn_(std::move(fn)) {}

 private:
  void refresh() override {
    for (const Slot slot : over_->changed_slots()) this->queue(slot);
    std::vector<Slot> queue = this->take_queue();
    for (const Slot slot : queue) {
      Row row;
      if (const InV* in = over_->row(slot).get(); in != nullptr) {
        const K& key = this->keys()[slot];
        Reads reads(this->core(), *this, this->keys(), &key, slot);
        row = fn_(key, *in, reads);
      } else {
        this->core().drop_run(*this, slot);
      }
      this->put(slot, std::move(row));
    }
    this->recycle(std::move(queue));
  }

  const Table<K, InV>* over_;
  Fn fn_;
};

}  // namespace sluice::flow::internal

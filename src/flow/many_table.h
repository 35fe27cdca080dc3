// A stage that makes many rows of a row.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/inlined_vector.h"

#include "flow/reads.h"
#include "flow/table.h"

namespace sluice::flow::internal {

// One run per row of `over`, any number of rows each, with any keys. Where several runs make rows of one key,
// the row of the smallest input key is in the table, and the others stand by to take its place.
template <class InK, class InV, class K, class V>
class ManyTable final : public Table<K, V> {
 public:
  using typename Table<K, V>::Row;
  using Made = std::vector<std::pair<K, Row>>;
  using Fn = std::function<void(const InK&, const InV&, Reads&, Made&)>;

  ManyTable(Core& core, Keys<K>& keys, std::string name, const Table<InK, InV>& over, Fn fn)
      : Table<K, V>(core, keys, Kind::kStage, std::move(name)), over_(&over), fn_(std::move(fn)) {}

 private:
  // Who makes rows of one key.
  struct Makers {
    using Others = absl::btree_map<Slot, Row, ByKey<InK>>;
    Slot first = kNoSlot;  // the run of the smallest key
    Row row;               // what it made
    std::unique_ptr<Others> others;
  };

  void refresh() override {
    for (const Slot run : over_->changed_slots()) this->queue(run);
    std::vector<Slot> queue = this->take_queue();
    for (const Slot run : queue) {
      made_.clear();
      if (const InV* in = over_->row(run).get(); in != nullptr) {
        const InK& key = over_->keys()[run];
        Reads reads(this->core(), *this, over_->keys(), &key, run);
        fn_(key, *in, reads, made_);
      }
      if (run >= made_by_.size()) lengthen(made_by_, over_->keys().capacity());
      if (over_->row(run) != nullptr) {
        replace(run);
      } else {
        this->core().drop_run(*this, run);
        for (const Slot slot : made_by_[run]) withdraw(slot, run);
        made_by_[run] = {};
      }
    }
    this->recycle(std::move(queue));
    for (const Slot slot : touched_) {
      Makers& makers = makers_[slot];
      is_touched_[slot] = false;
      this->put(slot, makers.row);
      makers.row = this->row(slot);  // where it is equal to the present one, one of them is enough
    }
    touched_.clear();
  }

  // Makes made_ all that the run makes.
  void replace(Slot run) {
    absl::InlinedVector<Slot, 4> slots;
    for (auto& [key, row] : made_) {
      if (row == nullptr) continue;
      const Slot slot = this->keys().acquire(std::move(key));
      if (!this->mark(slot)) continue;
      slots.push_back(slot);
      offer(slot, run, std::move(row));
    }
    for (const Slot slot : made_by_[run]) {
      if (this->mark(slot)) withdraw(slot, run);
    }
    made_by_[run] = std::move(slots);
  }

  void offer(Slot slot, Slot run, Row row) {
    if (slot >= makers_.size()) lengthen(makers_, this->keys().capacity());
    if (slot >= is_touched_.size()) lengthen(is_touched_, this->keys().capacity());
    Makers& makers = makers_[slot];
    if (makers.first == run) {
      if (makers.row == row || *makers.row == *row) return;
    } else if (makers.first != kNoSlot) {
      const ByKey<InK> less{&over_->keys()};
      if (makers.others == nullptr) makers.others = std::make_unique<typename Makers::Others>(less);
      if (less(makers.first, run)) {
        makers.others->insert_or_assign(run, std::move(row));
        return;
      }
      makers.others->emplace(makers.first, std::move(makers.row));
    }
    makers.first = run;
    makers.row = std::move(row);
    touch(slot);
  }

  void withdraw(Slot slot, Slot run) {
    Makers& makers = makers_[slot];
    if (makers.first != run) {
      makers.others->erase(run);
    } else if (makers.others != nullptr) {
      const auto next = makers.others->begin();
      makers.first = next->first;
      makers.row = std::move(next->second);
      makers.others->erase(next);
      touch(slot);
    } else {
      makers.first = kNoSlot;
      makers.row = nullptr;
      touch(slot);
    }
    if (makers.others != nullptr && makers.others->empty()) makers.others = nullptr;
  }

  void touch(Slot slot) {
    if (is_touched_[slot]) return;
    is_touched_[slot] = true;
    touched_.push_back(slot);
  }

  const Table<InK, InV>* over_;
  Fn fn_;
  std::vector<Makers> makers_;                         // by slot
  std::vector<absl::InlinedVector<Slot, 4>> made_by_;  // by run: slots
  std::vector<Slot> touched_;                          // whose first maker or its row is not what it was
  std::vector<bool> is_touched_;                       // by slot
  Made made_;                                          // by the run in hand
};

}  // namespace sluice::flow::internal

// Rows by key: what every stage makes and reads. Its rows lie by slot (keys.h); put() is where a change is
// told from none, and queues those who read the row.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flow/keys.h"
#include "flow/node.h"

namespace sluice::flow {

class Graph;
class Reads;
template <class K, class V>
class GroupRows;
template <class G, class K, class V>
class Index;

namespace internal {
template <class InV, class K, class V>
class MapTable;
template <class InK, class InV, class K, class V>
class ManyTable;
template <class G, class K, class InV, class V>
class GroupTable;
template <class K, class V>
class UnionTable;
template <class K, class V>
class OverlayTable;
}  // namespace internal

// Rows by key. The methods are for use between commits; within a stage, read through Reads.
template <class K, class V>
class Table : public internal::Node {
 public:
  using Row = std::shared_ptr<const V>;

  // One entry a key; before is null for an added row, after for a removed one.
  struct Change {
    const K& key;
    Row before;
    Row after;
  };

  const V* get(const K& key) const { return find(key).get(); }
  Row get_shared(const K& key) const { return find(key); }
  std::size_t size() const override { return size_; }

  // Calls f(const K&, const V&) for each row, in no particular order.
  template <class F>
  void for_each(F&& f) const {
    core().require_no_run(*this);
    for (internal::Slot slot = 0; slot < rows_.size(); ++slot) {
      if (rows_[slot] != nullptr) f((*keys_)[slot], *rows_[slot]);
    }
  }

  // The same with f(const K&, const Row&), for who wants to keep them.
  template <class F>
  void for_each_shared(F&& f) const {
    core().require_no_run(*this);
    for (internal::Slot slot = 0; slot < rows_.size(); ++slot) {
      if (rows_[slot] != nullptr) f((*keys_)[slot], rows_[slot]);
    }
  }

  std::vector<K> sorted_keys() const {
    std::vector<K> keys;
    keys.reserve(size_);
    for_each([&](const K& key, const V&) { keys.push_back(key); });
    std::sort(keys.begin(), keys.end());
    return keys;
  }

  // What the last commit changed, in no particular order. Valid until the next commit; until then it keeps
  // the rows alive that were replaced.
  const std::vector<Change>& changes() const { return changes_; }

 protected:
  using Slot = internal::Slot;

  friend class Graph;
  friend class Reads;
  template <class, class>
  friend class GroupRows;
  template <class, class, class>
  friend class Index;
  template <class, class, class>
  friend class internal::MapTable;
  template <class, class, class, class>
  friend class internal::ManyTable;
  template <class, class>
  friend class internal::OverlayTable;

  Table(internal::Core& core, internal::Keys<K>& keys, internal::Kind kind, std::string name)
      : Node(core, keys, kind, std::move(name)), keys_(&keys) {}

  internal::Keys<K>& keys() const { return *keys_; }

  const Row& row(Slot slot) const {
    static const Row kNone;
    return slot < rows_.size() ? rows_[slot] : kNone;
  }

  const std::vector<Slot>& changed_slots() const { return changed_slots_; }

  // Makes `row` (null: none) the row of the slot, unless it is equal to the present one. At most once a slot
  // and commit.
  void put(Slot slot, Row row) {
    if (slot >= rows_.size()) {
      if (row == nullptr) return let_go(slot);
      internal::lengthen(rows_, keys_->capacity());
    }
    Row& present = rows_[slot];
    if (present == row) {
      if (row == nullptr) let_go(slot);
      return;
    }
    if (present != nullptr && row != nullptr && *present == *row) return;
    if (present == nullptr) ++size_;
    if (row == nullptr) {
      --size_;
      let_go(slot);
    }
    changes_.push_back(Change{(*keys_)[slot], std::move(present), row});
    present = std::move(row);
    changed_slots_.push_back(slot);
    ++rows_changed_;
    queue_readers(slot);
  }

  void forget_changes() override {
    internal::clear(changes_);
    internal::clear(changed_slots_);
  }

  bool holds(Slot slot) const override { return row(slot) != nullptr; }

 private:
  const Row& find(const K& key) const {
    core().require_no_run(*this);
    return row(keys_->find(key));  // kNoSlot is past the end
  }

  internal::Keys<K>* keys_;
  std::vector<Row> rows_;  // by slot; as long as it needs to be
  std::size_t size_ = 0;
  std::vector<Change> changes_;
  std::vector<Slot> changed_slots_;  // those of changes_
};

}  // namespace sluice::flow

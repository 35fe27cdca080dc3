// Several tables as one.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "flow/table.h"

namespace sluice::flow {

namespace internal {

// The rows of other tables, shared, each under a key that tells its part. Runs nothing: a row that a part
// changes is passed on.
template <class K, class V>
class UnionTable final : public Table<K, V> {
 public:
  using typename Table<K, V>::Row;
  // Passes on what changed in a table.
  using Part = std::function<void(UnionTable&)>;

  UnionTable(Core& core, Keys<K>& keys, std::string name, std::vector<Part> parts)
      : Table<K, V>(core, keys, Kind::kStage, std::move(name)), parts_(std::move(parts)) {}

  template <class PartK, class Fn>
  static Part part_of(const Table<PartK, V>& table, Fn key) {
    return [&table, key = std::move(key)](UnionTable& all) {
      for (const auto& change : table.changes()) {
        all.core().enter(all);
        K renamed = key(change.key);
        all.core().leave();
        all.take(all.keys().acquire(std::move(renamed)), change.after);
      }
    };
  }

 private:
  void refresh() override {
    for (at_ = 0; at_ < parts_.size(); ++at_) parts_[at_](*this);
  }

  void take(Slot slot, Row row) {
    if (slot >= part_at_.size()) lengthen(part_at_, this->keys().capacity());
    if (this->row(slot) == nullptr) {
      part_at_[slot] = static_cast<std::uint16_t>(at_);
    } else if (part_at_[slot] != at_) {
      stop({this->name(), ": two of its tables have a row of one key"});
    }
    this->put(slot, std::move(row));
  }

  std::vector<Part> parts_;
  std::size_t at_ = 0;                  // the part in hand
  std::vector<std::uint16_t> part_at_;  // by slot: which part the row is of
};

}  // namespace internal

// A table in a union: key(const PartK&) is the key there of a row.
template <class PartK, class V, class Fn>
struct Part {
  const Table<PartK, V>& table;
  Fn key;
};
template <class PartK, class V, class Fn>
Part(const Table<PartK, V>&, Fn) -> Part<PartK, V, Fn>;

}  // namespace sluice::flow

// Tables that are edited from outside.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flow/table.h"

namespace sluice::flow {

// A table that is edited from outside. Edits take effect at the next commit, the last one of a key counts,
// and setting an equal row is no change.
template <class K, class V>
class Input final : public Table<K, V> {
 public:
  using typename Table<K, V>::Row;

  void set(const K& key, V row) { set(key, std::make_shared<const V>(std::move(row))); }
  // A template, so that set(key, {…}) makes a V. The row must not be null.
  template <std::convertible_to<Row> Shared>
  void set(const K& key, Shared shared) {
    Row row = std::move(shared);
    if (row == nullptr) internal::stop({this->name(), ": a null row is set"});
    this->core().require_no_commit(*this);
    edit(this->keys().acquire(key), std::move(row));
  }

  void erase(const K& key) {
    this->core().require_no_commit(*this);
    const Slot slot = this->keys().find(key);
    if (slot != internal::kNoSlot) edit(slot, nullptr);
  }

 private:
  using typename Table<K, V>::Slot;
  friend class ::sluice::flow::Graph;

  struct Edit {
    Slot slot;
    Row row;
  };

  Input(internal::Core& core, internal::Keys<K>& keys, std::string name)
      : Table<K, V>(core, keys, internal::Kind::kInput, std::move(name)) {}

  void edit(Slot slot, Row row) {
    if (slot >= edit_at_.size()) internal::lengthen(edit_at_, this->keys().capacity(), kNone);
    if (edit_at_[slot] != kNone) {
      edits_[edit_at_[slot]].row = std::move(row);
      return;
    }
    edit_at_[slot] = static_cast<std::uint32_t>(edits_.size());
    edits_.push_back(Edit{slot, std::move(row)});
  }

  void refresh() override {
    for (Edit& e : edits_) {
      edit_at_[e.slot] = kNone;
      this->put(e.slot, std::move(e.row));
    }
    internal::clear(edits_);
  }

  bool holds(Slot slot) const override {
    return Table<K, V>::holds(slot) || (slot < edit_at_.size() && edit_at_[slot] != kNone);
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<Edit> edits_;
  std::vector<std::uint32_t> edit_at_;  // by slot: where in edits_
};

}  // namespace sluice::flow

// The rows of a table in groups. An index is no stage: it makes no rows, it only says which belong together,
// and queues those who read a group when a row comes to it, leaves it, or changes in it.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "flow/table.h"

namespace sluice::flow {

namespace internal {

// The rows of a group. They are put in order when they are read: many groups never are, or only as to how
// many there are.
class Members {
 public:
  std::size_t size() const { return slots_.size(); }
  bool empty() const { return slots_.empty(); }

  void add(Slot slot) { slots_.push_back(slot); }

  template <class IsGone>
  void remove(IsGone is_gone) {
    in_order_ -= static_cast<std::size_t>(std::count_if(slots_.begin(), slots_.begin() + in_order_, is_gone));
    slots_.erase(std::remove_if(slots_.begin(), slots_.end(), is_gone), slots_.end());
  }

  template <class Less>
  std::span<const Slot> sorted(Less less) {
    constexpr std::size_t kFew = 16;
    if ((slots_.size() - in_order_) * kFew > slots_.size()) {
      std::sort(slots_.begin(), slots_.end(), less);
      in_order_ = slots_.size();
    }
    for (; in_order_ < slots_.size(); ++in_order_) {
      const auto end = slots_.begin() + in_order_;
      std::rotate(std::upper_bound(slots_.begin(), end, *end, less), end, end + 1);
    }
    return slots_;
  }

 private:
  absl::InlinedVector<Slot, 4> slots_;
  std::size_t in_order_ = 0;  // the first; the others have come since
};

}  // namespace internal

// The rows of one group, sorted by key: a range of std::pair<const K&, const V&>. Valid until the next
// commit.
template <class K, class V>
class GroupRows {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::pair<const K&, const V&>;
    using reference = value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = void;

    iterator() = default;
    reference operator*() const { return {key(), *shared()}; }
    const K& key() const { return table_->keys()[*at_]; }
    const std::shared_ptr<const V>& shared() const { return table_->row(*at_); }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) {
      iterator old = *this;
      ++at_;
      return old;
    }
    bool operator==(const iterator& other) const { return at_ == other.at_; }

   private:
    friend class GroupRows;
    iterator(const Table<K, V>& table, const internal::Slot* at) : table_(&table), at_(at) {}
    const Table<K, V>* table_ = nullptr;
    const internal::Slot* at_ = nullptr;
  };
  using const_iterator = iterator;

  iterator begin() const { return iterator(*table_, slots().data()); }
  iterator end() const { return iterator(*table_, slots().data() + slots().size()); }
  std::size_t size() const { return members_ == nullptr ? 0 : members_->size(); }
  bool empty() const { return size() == 0; }

 private:
  template <class, class, class>
  friend class Index;
  GroupRows(const Table<K, V>& table, internal::Members* members) : table_(&table), members_(members) {}

  std::span<const internal::Slot> slots() const {
    if (members_ == nullptr) return {};
    return members_->sorted(internal::ByKey<K>{&table_->keys()});
  }

  const Table<K, V>* table_;
  internal::Members* members_;  // null: none
};

// The rows of a table in groups. A row is in as many groups as the index function names, in each once.
template <class G, class K, class V>
class Index final : public internal::Node {
 public:
  // For use between commits; within a stage, read through Reads.
  GroupRows<K, V> group(const G& group) const {
    core().require_no_run(*this);
    return rows(groups_->find(group));
  }

 private:
  using Slot = internal::Slot;
  using Names = absl::InlinedVector<G, 2>;
  using Fn = std::function<void(const K&, const V&, Names&)>;

  friend class Graph;
  friend class Reads;
  template <class, class, class, class>
  friend class internal::GroupTable;

  Index(internal::Core& core, internal::Keys<G>& groups, std::string name, const Table<K, V>& table, Fn fn)
      : Node(core, groups, internal::Kind::kIndex, std::move(name)),
        groups_(&groups),
        table_(&table),
        fn_(std::move(fn)) {}

  internal::Keys<G>& keys() const { return *groups_; }
  const std::vector<Slot>& changed_slots() const { return changed_; }

  GroupRows<K, V> rows(Slot group) const {
    return GroupRows<K, V>(*table_, group < members_.size() ? &members_[group] : nullptr);
  }

  void refresh() override {
    for (const Slot slot : table_->changed_slots()) {
      names_.clear();
      if (const auto& row = table_->row(slot); row != nullptr) {
        core().enter(*this);
        fn_(table_->keys()[slot], *row, names_);
        core().leave();
      }
      next_.clear();
      for (G& name : names_) next_.push_back(groups_->acquire(std::move(name)));
      std::sort(next_.begin(), next_.end());
      next_.erase(std::unique(next_.begin(), next_.end()), next_.end());

      if (slot >= groups_of_.size()) internal::lengthen(groups_of_, table_->keys().capacity());
      auto& present = groups_of_[slot];
      auto old = present.begin();
      for (const Slot group : next_) {
        for (; old != present.end() && *old < group; ++old) remove(*old, slot);
        if (old != present.end() && *old == group) {
          ++old;
          touch(group);
        } else {
          insert(group, slot);
        }
      }
      for (; old != present.end(); ++old) remove(*old, slot);
      present.assign(next_.begin(), next_.end());
    }
    sweep();
  }

  void insert(Slot group, Slot slot) {
    if (group >= members_.size()) internal::lengthen(members_, groups_->capacity());
    members_[group].add(slot);
    touch(group);
  }

  void remove(Slot group, Slot slot) {
    gone_.emplace_back(group, slot);
    touch(group);
  }

  // Takes those that are gone out of their groups, all of a group at once.
  void sweep() {
    std::sort(gone_.begin(), gone_.end());
    for (auto first = gone_.begin(); first != gone_.end();) {
      const Slot group = first->first;
      const auto last =
          std::find_if(first, gone_.end(), [group](const auto& gone) { return gone.first != group; });
      members_[group].remove(
          [&](Slot slot) { return std::binary_search(first, last, std::pair(group, slot)); });
      if (members_[group].empty()) let_go(group);
      first = last;
    }
    gone_.clear();
  }

  // The rows of the group are not what they were.
  void touch(Slot group) {
    if (group >= is_changed_.size()) internal::lengthen(is_changed_, groups_->capacity());
    if (is_changed_[group]) return;
    is_changed_[group] = true;
    changed_.push_back(group);
    queue_readers(group);
  }

  void forget_changes() override {
    for (const Slot group : changed_) is_changed_[group] = false;
    internal::clear(changed_);
  }

  bool holds(Slot group) const override { return group < members_.size() && !members_[group].empty(); }

  internal::Keys<G>* groups_;
  const Table<K, V>* table_;
  Fn fn_;
  mutable std::vector<internal::Members> members_;       // by group; reading sorts them
  std::vector<absl::InlinedVector<Slot, 4>> groups_of_;  // by row, ascending
  std::vector<Slot> changed_;
  std::vector<bool> is_changed_;             // by group
  std::vector<std::pair<Slot, Slot>> gone_;  // group and row, as long as a refresh goes on
  Names names_;                              // of the row in hand
  absl::InlinedVector<Slot, 4> next_;
};

}  // namespace sluice::flow

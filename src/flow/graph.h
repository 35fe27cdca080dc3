// Incremental tables.
//
// A Graph is a list of tables, each declared after those that it is made from. Input tables are edited; the
// others are stages: pure functions of rows, whose look-ups in earlier tables go through Reads. commit()
// makes every table what it would be in a new graph with the same inputs, and runs no more than it must: the
// stage rows whose own input row, or something that they looked up (found or not), has changed. A result
// equal to the last one is dropped and changes nothing further. No row runs twice in a commit, no stage sees
// a half-updated table, and results depend on neither the order of edits nor that of runs. An Index groups
// the rows of a table; who reads a group depends on which rows are in it and on what they are.
//
//   Graph graph;
//   auto& routes = graph.input<ObjectKey, Route>("routes");
//   auto& services = graph.input<ObjectKey, Service>("services");
//   auto& ports = graph.map("ports", services, [](const ObjectKey&, const Service& s) { return s.ports; });
//   auto& rules = graph.map("rules", routes, [&](const ObjectKey&, const Route& route, Reads& reads) {
//     return rules_of(route, reads.get(ports, route.service));       // runs again when that service's ports
//     change
//   });
//   auto& by_host = graph.index("rules by host", rules, [](const ObjectKey&, const Rules& r) { return
//   r.hosts; }); auto& hosts = graph.group("hosts", by_host, [&](const std::string& host, Reads& reads) {
//     return merge(host, reads.group(by_host, host));                // pairs (key, row), sorted by key
//   });
//   routes.set(key, route);
//   graph.commit();
//
// Keys hash (AbslHashValue or std::hash) and compare with == and <; rows compare with ==. Rows and keys that
// a table hands out as pointers or references live until the next commit at least. Bugs of the caller, such
// as reading a table that is declared later, stop the program, and so does an exception that leaves a stage.
//
// Threads: none of its own; a graph and its tables belong to one thread at a time. Rows may be shared with
// others.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/inlined_vector.h"

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

template <class InV, class K, class V>
class MapTable;
template <class InK, class InV, class K, class V>
class ManyTable;
template <class G, class K, class InV, class V>
class GroupTable;
template <class K, class V>
class UnionTable;
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
      rows_.resize(keys_->capacity());
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
    if (slot >= edit_at_.size()) edit_at_.resize(this->keys().capacity(), kNone);
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

      if (slot >= groups_of_.size()) groups_of_.resize(table_->keys().capacity());
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
    if (group >= members_.size()) members_.resize(groups_->capacity());
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
    if (group >= is_changed_.size()) is_changed_.resize(groups_->capacity());
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

// What one run of a stage looks up. Every look-up is recorded, whether it finds something or not.
class Reads {
 public:
  Reads(const Reads&) = delete;
  Reads& operator=(const Reads&) = delete;

  // Null where there is no such row. The row lives until the next commit.
  template <class K, class V>
  const V* get(const Table<K, V>& table, const std::type_identity_t<K>& key) {
    return row(table, key).get();
  }

  template <class K, class V>
  std::shared_ptr<const V> get_shared(const Table<K, V>& table, const std::type_identity_t<K>& key) {
    return row(table, key);
  }

  // The rows of a group, sorted by key. The run depends on which rows there are and on each of them.
  template <class G, class K, class V>
  GroupRows<K, V> group(const Index<G, K, V>& index, const std::type_identity_t<G>& group) {
    const internal::Slot slot = locate(index, index.keys(), group);
    return index.rows(slot);
  }

 private:
  template <class, class, class>
  friend class internal::MapTable;
  template <class, class, class, class>
  friend class internal::ManyTable;
  template <class, class, class, class>
  friend class internal::GroupTable;

  // `key` is what the run is for, and has `slot` in `keys`.
  Reads(internal::Core& core, internal::Node& stage, const internal::KeysBase& keys, const void* key,
        internal::Slot slot)
      : core_(core), keys_(&keys), key_(key), slot_(slot) {
    core.begin_run(stage);
  }
  // Makes what was looked up the reads of the run.
  ~Reads() { core_.end_run(slot_); }

  template <class K, class V>
  const std::shared_ptr<const V>& row(const Table<K, V>& table, const K& key) {
    return table.row(locate(table, table.keys(), key));
  }

  // Looking up the very key that the run is for, in tables that share its Keys, is frequent and needs no
  // hash.
  template <class K>
  internal::Slot locate(const internal::Node& source, internal::Keys<K>& keys, const K& key) {
    const internal::Slot slot = &keys == keys_ && &key == key_ ? slot_ : keys.acquire(key);
    core_.record(source, slot);
    return slot;
  }

  internal::Core& core_;
  const internal::KeysBase* keys_;
  const void* key_;
  internal::Slot slot_;
};

namespace internal {

// The row that a stage function's result stands for: std::optional<V>, a shared pointer, or V itself.
template <class T>
struct Result {
  using Row = T;
  static std::shared_ptr<const T> row(T&& value) { return std::make_shared<const T>(std::move(value)); }
};
template <class T>
struct Result<std::optional<T>> {
  using Row = T;
  static std::shared_ptr<const T> row(std::optional<T>&& value) {
    return value.has_value() ? std::make_shared<const T>(std::move(*value)) : nullptr;
  }
};
template <class T>
struct Result<std::shared_ptr<T>> {
  using Row = std::remove_const_t<T>;
  static std::shared_ptr<const Row> row(std::shared_ptr<T>&& value) { return std::move(value); }
};

// The groups that an index function's result stands for: a container, std::optional<G>, or G itself.
template <class T>
struct Groups {
  using Group = T;
  static void add(T&& value, absl::InlinedVector<T, 2>& groups) { groups.push_back(std::move(value)); }
};
template <class T>
struct Groups<std::optional<T>> {
  using Group = T;
  static void add(std::optional<T>&& value, absl::InlinedVector<T, 2>& groups) {
    if (value.has_value()) groups.push_back(std::move(*value));
  }
};
template <class T, class Container>
struct GroupsOfContainer {
  using Group = T;
  static void add(Container&& values, absl::InlinedVector<T, 2>& groups) {
    groups.insert(groups.end(), std::make_move_iterator(values.begin()),
                  std::make_move_iterator(values.end()));
  }
};
template <class T>
struct Groups<std::vector<T>> : GroupsOfContainer<T, std::vector<T>> {};
template <class T, std::size_t n>
struct Groups<absl::InlinedVector<T, n>> : GroupsOfContainer<T, absl::InlinedVector<T, n>> {};

// Calls a stage function, which may leave out the parameter for reads.
template <class Fn, class K, class V>
auto call(const Fn& fn, const K& key, const V& row, Reads& reads) {
  if constexpr (std::invocable<const Fn&, const K&, const V&, Reads&>) {
    return fn(key, row, reads);
  } else {
    return fn(key, row);
  }
}
template <class Fn, class K, class V>
using CallResult = decltype(call(std::declval<const Fn&>(), std::declval<const K&>(),
                                 std::declval<const V&>(), std::declval<Reads&>()));

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
      if (run >= made_by_.size()) made_by_.resize(over_->keys().capacity());
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
    if (slot >= makers_.size()) {
      makers_.resize(this->keys().capacity());
      is_touched_.resize(this->keys().capacity());
    }
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
      if (group >= has_run_.size()) has_run_.resize(this->keys().capacity());
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
    if (slot >= part_at_.size()) part_at_.resize(this->keys().capacity());
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

// Declare all tables before the first commit. Names are for people and must differ. Stage and index functions
// must be pure: their results depend on their arguments and on what they read through Reads, on nothing else.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  template <class K, class V>
  Input<K, V>& input(std::string name) {
    return own<Input<K, V>>(core_.make_keys<K>(), std::move(name));
  }

  // fn(const K&, const InV&[, Reads&]): std::optional<V>, std::shared_ptr<const V>, or V where there always
  // is a row.
  template <class K, class InV, class Fn>
  auto& map(std::string name, const Table<K, InV>& over, Fn fn) {
    using Of = internal::Result<internal::CallResult<Fn, K, InV>>;
    require_own(over, name);
    return own<internal::MapTable<InV, K, typename Of::Row>>(
        std::move(name), over, [fn = std::move(fn)](const K& key, const InV& row, Reads& reads) {
          return Of::row(internal::call(fn, key, row, reads));
        });
  }

  // fn(const InK&, const InV&[, Reads&]): std::vector<std::pair<K, V>>, where V may be a
  // std::shared_ptr<const V>. Where several input rows make a row of the same key, that of the smallest input
  // key counts; where one input row makes several, the first.
  template <class InK, class InV, class Fn>
  auto& map_many(std::string name, const Table<InK, InV>& over, Fn fn) {
    using Pair = typename internal::CallResult<Fn, InK, InV>::value_type;
    using K = typename Pair::first_type;
    using Of = internal::Result<typename Pair::second_type>;
    using Many = internal::ManyTable<InK, InV, K, typename Of::Row>;
    require_own(over, name);
    return own<Many>(
        core_.make_keys<K>(), std::move(name), over,
        [fn = std::move(fn)](const InK& key, const InV& row, Reads& reads, typename Many::Made& made) {
          for (auto& [k, v] : internal::call(fn, key, row, reads)) {
            made.emplace_back(std::move(k), Of::row(std::move(v)));
          }
        });
  }

  // fn(const G&, Reads&), for each group of the index that has rows: a row as in map(). The run depends on
  // the rows of its group only if it reads them.
  template <class G, class K, class InV, class Fn>
  auto& group(std::string name, const Index<G, K, InV>& index, Fn fn) {
    using Of = internal::Result<std::invoke_result_t<const Fn&, const G&, Reads&>>;
    require_own(index, name);
    return own<internal::GroupTable<G, K, InV, typename Of::Row>>(
        std::move(name), index,
        [fn = std::move(fn)](const G& group, Reads& reads) { return Of::row(fn(group, reads)); });
  }

  // The rows of several tables in one, not copied: unite("all", Part{routes, key}, Part{others, key}). Each
  // key belongs to one of the tables for good; that two have rows of it is a bug that stops the program.
  template <class PartK, class V, class Fn, class... More>
  auto& unite(std::string name, Part<PartK, V, Fn> first, More... more) {
    using K = std::invoke_result_t<const Fn&, const PartK&>;
    using Union = internal::UnionTable<K, V>;
    require_own(first.table, name);
    (require_own(more.table, name), ...);
    return own<Union>(core_.make_keys<K>(), std::move(name),
                      std::vector<typename Union::Part>{Union::part_of(first.table, std::move(first.key)),
                                                        Union::part_of(more.table, std::move(more.key))...});
  }

  // fn(const K&, const V&): the groups that the row is in, as a std::vector<G>, an absl::InlinedVector<G, n>,
  // a std::optional<G>, or one G.
  template <class K, class V, class Fn>
  auto& index(std::string name, const Table<K, V>& of_table, Fn fn) {
    using Of = internal::Groups<std::invoke_result_t<const Fn&, const K&, const V&>>;
    using G = typename Of::Group;
    require_own(of_table, name);
    return own<Index<G, K, V>>(
        core_.make_keys<G>(), std::move(name), of_table,
        [fn = std::move(fn)](const K& key, const V& row, absl::InlinedVector<G, 2>& groups) {
          Of::add(fn(key, row), groups);
        });
  }

  CommitStats commit() { return core_.commit(); }

  // All look-ups that are recorded now: what the graph's memory grows with, beside the rows.
  std::size_t read_count() const { return core_.read_count(); }
  // All keys and groups that are known now, those that some run looked for in vain included. Keys that
  // nothing mentions any more go with the next commit.
  std::size_t key_count() const { return core_.key_count(); }

 private:
  template <class T, class... Args>
  T& own(Args&&... args) {
    return core_.own(std::unique_ptr<T>(new T(core_, std::forward<Args>(args)...)));
  }
  void require_own(const internal::Node& node, const std::string& name) const {
    core_.require_own(node, name);
  }

  internal::Core core_;
};

}  // namespace sluice::flow

// Look-ups that are recorded: how a stage function sees tables.
//
// Threads: those of the graph (graph.h).
#pragma once

#include <memory>
#include <type_traits>

#include "flow/index.h"
#include "flow/table.h"

namespace sluice::flow {

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

}  // namespace sluice::flow

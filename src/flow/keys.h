// Keys numbered densely: what lets the graph speak of rows as integers.
//
// A Keys<K> gives each key a slot. Tables whose rows have the same keys by construction (a map stage and the
// table that it is over; an index and the group stage over it) share one Keys, so a key is stored and hashed
// once, and the row of one is found from the row of the other without a look-up. A key has a slot from its
// first mention, which may be a read that found nothing, until no node that shares the Keys holds anything
// for it. Slots are given back at the start of a commit only, so that references to keys live as long as the
// changes that quote them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace sluice::flow::internal {

using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = ~Slot{0};

// Makes a list by slot so long, at least. It grows by a quarter, not to the double: such lists are a good
// part of what a graph needs beside its rows.
template <class List, class... Value>
void lengthen(List& list, std::size_t size, const Value&... value) {
  constexpr std::size_t kFew = 8;
  if (size > list.capacity()) list.reserve(std::max(size, list.capacity() + list.capacity() / 4 + kFew));
  list.resize(list.capacity(), value...);
}

class Node;

class KeysBase {
 public:
  KeysBase() = default;
  KeysBase(const KeysBase&) = delete;
  KeysBase& operator=(const KeysBase&) = delete;
  virtual ~KeysBase() = default;

  void share(const Node& node) { nodes_.push_back(&node); }
  // Every slot in use is below it.
  std::size_t capacity() const { return live_.size(); }
  std::size_t size() const { return live_.size() - free_.size(); }
  // Some node has let go of the slot; the next sweep frees it if all have.
  void retire(Slot slot) { retired_.push_back(slot); }
  void sweep();

 protected:
  virtual void forget(Slot slot) = 0;

  std::vector<bool> live_;
  std::vector<Slot> free_;

 private:
  std::vector<const Node*> nodes_;
  std::vector<Slot> retired_;
};

// Grows at its end and never moves what it has.
template <class T>
class Pages {
 public:
  const T& operator[](Slot at) const { return pages_[at / kPage][at % kPage]; }
  T& operator[](Slot at) { return pages_[at / kPage][at % kPage]; }

  // The number of the new one.
  Slot push_back(T value) {
    if (pages_.empty() || pages_.back().size() == kPage) pages_.emplace_back().reserve(kPage);
    pages_.back().push_back(std::move(value));
    return static_cast<Slot>((pages_.size() - 1) * kPage + pages_.back().size() - 1);
  }

 private:
  static constexpr std::size_t kPage = 32;
  std::vector<std::vector<T>> pages_;  // all full but the last
};

template <class K>
class Keys : public KeysBase {
 public:
  const K& operator[](Slot slot) const { return entries_[slot].key; }

  // kNoSlot where nothing mentions the key.
  Slot find(const K& key) const {
    const std::size_t hash = absl::Hash<K>()(key);
    const auto it = slots_.find(Probe{key, hash}, hash);
    return it == slots_.end() ? kNoSlot : *it;
  }

  // The slot of the key, a new one if it has none.
  template <class Q>
  Slot acquire(Q&& key) {
    const std::size_t hash = absl::Hash<K>()(key);
    return *slots_.lazy_emplace(Probe{key, hash},
                                [&](const auto& construct) { construct(add(std::forward<Q>(key), hash)); });
  }

 private:
  struct Entry {
    K key;
    std::size_t hash;  // kept, so that growing the set does not read the keys
  };
  struct Probe {
    const K& key;
    std::size_t hash;
  };
  struct Hash {
    using is_transparent = void;
    const Pages<Entry>* entries;
    std::size_t operator()(Slot slot) const { return (*entries)[slot].hash; }
    std::size_t operator()(const Probe& probe) const { return probe.hash; }
  };
  struct Equal {
    using is_transparent = void;
    const Pages<Entry>* entries;
    bool operator()(Slot a, Slot b) const { return a == b; }
    bool operator()(Slot slot, const Probe& probe) const { return (*entries)[slot].key == probe.key; }
    bool operator()(const Probe& probe, Slot slot) const { return (*entries)[slot].key == probe.key; }
  };

  template <class Q>
  Slot add(Q&& key, std::size_t hash) {
    if (free_.empty()) {
      live_.push_back(true);
      return entries_.push_back(Entry{std::forward<Q>(key), hash});
    }
    const Slot slot = free_.back();
    free_.pop_back();
    entries_[slot] = Entry{std::forward<Q>(key), hash};
    live_[slot] = true;
    return slot;
  }

  // The key itself stays until the slot has another.
  void forget(Slot slot) override { slots_.erase(slot); }

  Pages<Entry> entries_;  // keys must not move
  absl::flat_hash_set<Slot, Hash, Equal> slots_{0, Hash{&entries_}, Equal{&entries_}};
};

// Orders slots by their keys.
template <class K>
struct ByKey {
  const Keys<K>* keys;
  bool operator()(Slot a, Slot b) const { return (*keys)[a] < (*keys)[b]; }
};

}  // namespace sluice::flow::internal

// Values by the hashes of blocks: open addressing with linear probing, so that an entry takes no allocation
// of its own and a look-up mostly one cache line.
//
// The keys are good hashes already and are taken as they are. Memory: a power of two of places, at most three
// quarters of them full; it never shrinks.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "picker/request.h"

namespace sluice::picker {

template <typename Value>
class BlockTable {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Null where there is none. Good until an entry comes or goes.
  const Value* find(BlockHash key) const {
    if (size_ == 0) return nullptr;
    const Place& place = places_[place_of(stored(key))];
    return place.key == kFree ? nullptr : &place.value;
  }
  Value* find(BlockHash key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

  // Makes one where there is none.
  Value& operator[](BlockHash key) {
    key = stored(key);
    if (places_.empty()) places_.resize(kFewest);
    std::size_t at = place_of(key);
    if (places_[at].key == kFree) {
      if ((size_ + 1) * 4 > places_.size() * 3) {
        grow();
        at = place_of(key);
      }
      places_[at] = {key, {}};
      ++size_;
    }
    return places_[at].value;
  }

  void erase(BlockHash key) {
    if (size_ == 0) return;
    std::size_t hole = place_of(stored(key));
    if (places_[hole].key == kFree) return;
    --size_;
    // Whoever was put off by the one that goes moves up.
    for (std::size_t at = next(hole); places_[at].key != kFree; at = next(at)) {
      const std::size_t home = places_[at].key & (places_.size() - 1);
      if (distance(home, at) < distance(hole, at)) continue;
      places_[hole] = std::move(places_[at]);
      hole = at;
    }
    places_[hole] = Place{};
  }

  // Calls `visit(value)` for each, in no order.
  template <typename Visit>
  void each(Visit visit) const {
    for (const Place& place : places_) {
      if (place.key != kFree) visit(place.value);
    }
  }

 private:
  static constexpr BlockHash kFree = 0;
  static constexpr std::size_t kFewest = 16;

  struct Place {
    BlockHash key = kFree;
    Value value{};
  };

  static BlockHash stored(BlockHash key) { return key == kFree ? 1 : key; }
  std::size_t next(std::size_t at) const { return (at + 1) & (places_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const { return (to - from) & (places_.size() - 1); }
  // Where it is, or would be.
  std::size_t place_of(BlockHash key) const {
    std::size_t at = key & (places_.size() - 1);
    while (places_[at].key != key && places_[at].key != kFree) at = next(at);
    return at;
  }
  void grow() {
    std::vector<Place> before(places_.size() * 2);
    before.swap(places_);
    for (Place& place : before) {
      if (place.key != kFree) places_[place_of(place.key)] = std::move(place);
    }
  }

  std::vector<Place> places_;
  std::size_t size_ = 0;
};

}  // namespace sluice::picker

// By itself, so that no caller is compiled with only one half of the pair inlined: g++ then warns of a
// mismatch.
#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> count{0};

}  // namespace

// NOLINTBEGIN(misc-new-delete-overloads): the other forms call these; only those with an alignment do not.
void* operator new(std::size_t size) {
  count.fetch_add(1, std::memory_order_relaxed);
  if (void* place = std::malloc(size)) return place;
  throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }
// NOLINTEND(misc-new-delete-overloads)

namespace sluice {

std::uint64_t allocations() { return count.load(std::memory_order_relaxed); }

}  // namespace sluice

// What the functions of stages and indexes may take and return, as one: tables keep them behind one type.
//
// Threads: pure functions.
#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "flow/reads.h"

namespace sluice::flow::internal {

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

}  // namespace sluice::flow::internal

// What the declarations of tables have in common.
//
// The tables of the pipeline come in groups, a file each: a struct with the tables as members, which its
// constructor declares one after the other, each after those that it reads. A group is declared with the
// groups that it reads, and with translate::Projections, which are views into several of them. Functions of
// stages keep references to all of these, so a group neither moves nor outlives the others: they are members
// of Pipeline::Tables.
//
// Threads: those of a Graph.
#pragma once

#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "api/kinds.h"
#include "flow/graph.h"
#include "translate/rows.h"

namespace sluice::control::tables {

using flow::Graph;
using flow::Index;
using flow::Input;
using flow::Reads;
using flow::Table;
using translate::HostKey;
using translate::XdsKey;

// Of a stage that makes many.
template <typename K, typename V>
using Rows = std::vector<std::pair<K, V>>;

// Of an index, a row's: mostly few.
template <typename G>
using Groups = absl::InlinedVector<G, 2>;

// The key in a union of a part's row: that of an object of kind T, and that which it has.
template <typename T>
ObjectKey object_key(const NamespacedName& name) {
  return {.kind = api::kind_of<T>(), .name = name};
}
inline XdsKey same_key(const XdsKey& key) { return key; }

}  // namespace sluice::control::tables

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
//     return rules_of(route, reads.get(ports, route.service));  // again when that service's ports change
//   });
//   auto& by_host = graph.index("rules by host", rules,
//                               [](const ObjectKey&, const Rules& rule) { return rule.hosts; });
//   auto& hosts = graph.group("hosts", by_host, [&](const std::string& host, Reads& reads) {
//     return merge(host, reads.group(by_host, host));           // pairs (key, row), sorted by key
//   });
//   routes.set(key, route);
//   graph.commit();
//
// Keys hash (AbslHashValue or std::hash) and compare with == and <; rows compare with ==. Rows and keys that
// a table hands out as pointers or references live until the next commit at least. Bugs of the caller, such
// as reading a table that is declared later, stop the program, and so does an exception that leaves a stage.
//
// Each concept has a header: table.h, input.h, index.h, reads.h; a kind of stages each map_table.h,
// many_table.h, group_table.h, union_table.h, and overlay_table.h. Who declares tables includes this one.
//
// Threads: none of its own; a graph and its tables belong to one thread at a time. Rows may be shared with
// others.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "flow/group_table.h"
#include "flow/index.h"
#include "flow/input.h"
#include "flow/many_table.h"
#include "flow/map_table.h"
#include "flow/node.h"
#include "flow/overlay_table.h"
#include "flow/reads.h"
#include "flow/stage_function.h"
#include "flow/table.h"
#include "flow/union_table.h"

namespace sluice::flow {

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

  // The rows of `base`, those of `over` in their place where they have the same keys, not copied.
  template <class K, class V>
  auto& overlay(std::string name, const Table<K, V>& base, const Table<K, V>& over) {
    require_own(base, name);
    require_own(over, name);
    return own<internal::OverlayTable<K, V>>(std::move(name), base, over);
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
  // All changes() are empty until the next commit, and the rows that were replaced are let go.
  void forget_changes() { core_.forget_changes(); }

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

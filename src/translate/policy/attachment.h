// Which policy of a kind is in force where. The most specific one is: that of the rule, then of the route,
// then of the listener that the route is attached to, of its ListenerSet, and of the Gateway. A row says what
// it is for by `targets` (target.h), and whether it `merges` into the one that is in force for the listener.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "flow/graph.h"
#include "translate/policy/precedence.h"
#include "translate/rows.h"

namespace sluice::translate {

// A policy, or none.
template <typename Row>
struct InForce {
  const NamespacedName* name = nullptr;
  const Row* row = nullptr;

  explicit operator bool() const { return row != nullptr; }
};

// By the objects that they are attached to.
template <typename Row>
using PolicyIndex = flow::Index<ObjectKey, NamespacedName, Row>;

// Of the policies for an object, that for the section of it, else that for all of it.
template <typename Row>
InForce<Row> policy_of(const flow::GroupRows<NamespacedName, Row>& policies, const ObjectKey& object,
                       const std::string& section) {
  if (policies.empty()) return {};
  if (!section.empty()) {
    const auto [name, row] = first_policy(policies, {.object = object, .section = section});
    if (row != nullptr) return {name, row};
  }
  const auto [name, row] = first_policy(policies, {.object = object, .section = {}});
  return {name, row};
}

// For a listener of `parent`, a Gateway or ListenerSet. A listener of a ListenerSet is no section of the
// Gateway.
template <typename Row>
InForce<Row> policy_of_listener(const PolicyIndex<Row>& index, const ObjectKey& parent,
                                const NamespacedName& gateway, const std::string& listener,
                                flow::Reads& reads) {
  const auto own = policy_of<Row>(reads.group(index, parent), parent, listener);
  if (own || parent.kind == api::kind_of<api::Gateway>()) return own;
  const ObjectKey whole{.kind = api::kind_of<api::Gateway>(), .name = gateway};
  return policy_of<Row>(reads.group(index, whole), whole, {});
}

}  // namespace sluice::translate

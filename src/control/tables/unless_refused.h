// Isolation as a pure function: a version of an object that a proxy refused is translated no more; the last
// good one is, in its place (translate/refusal.h). What is wrong is told of this version all the same: it is
// the text that is there.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "control/tables/declare.h"
#include "control/tables/rows.h"
#include "translate/refusal.h"

namespace sluice::control::tables {

template <typename Row>
void take_problems(Row& row, Row&& from) {
  row.problems = std::move(from.problems);
}
template <typename Row>
void take_problems(std::optional<Row>& row, std::optional<Row>&& from) {
  if (row && from) row->problems = std::move(from->problems);
}

// The translation of an object, or of its last good version where a proxy refused this one.
template <typename T, typename Translate>
auto unless_refused(const Table<ObjectKey, Refusal>& refusals, const NamespacedName& name, const T& object,
                    Reads& reads, Translate translate) {
  const ObjectKey key = object_key<T>(name);
  const Refusal* refusal = reads.get(refusals, key);
  if (refusal == nullptr || *std::get<std::shared_ptr<const T>>(refusal->refused) != object) {
    return translate(object);
  }
  if (refusal->last_good) {
    const T& last_good = *std::get<std::shared_ptr<const T>>(*refusal->last_good);
    auto row = translate(last_good);
    take_problems(row, translate(object));
    return translate::served_instead(std::move(row), key, refusal->message, refusal->guilty);
  }
  return translate::served_hardly(translate(object), key, refusal->message, refusal->guilty);
}

}  // namespace sluice::control::tables

// What the user may have meant by a name that leads nowhere. Look-ups for it happen only once something is
// wrong, and are tracked like any other: a stage that suggests a name runs again when the names change,
// others do not.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

// For an object that does not exist: that it is written and has mistakes, one of that name of another kind
// that the reference could name as well, the nearest name of its kind in its namespace, or the namespace in
// which there is one of that name. Empty: nothing is near. Of the kinds in Projections::names.
using Kinds = std::span<const GroupKind>;
std::string near_object(const ObjectKey& missing, Kinds as_well, const Projections& tables,
                        flow::Reads& reads);

// Of names, sorted, the one that `missing` was probably meant to be: "did you mean `web`?", or empty.
std::string near_among(std::string_view missing, std::vector<std::string_view> names);

// What routes send to, what they attach to (the Gateway first), and what holds certificates of authorities.
Kinds backend_kinds();
Kinds parent_kinds();
Kinds authority_kinds();
// As the kind of all that there can be: Kinds of one.
template <typename T>
Kinds only_kind() {
  return {&api::kind_of<T>(), 1};
}

// For one of a few names: the nearest, or all of them: "did you mean `https`?", "it has `http` and `admin`".
std::string near_name(std::string_view missing, std::string_view it_has,
                      const std::vector<std::string>& names);

// For labels that no object has all of, of those that there are: what there is in place of the first that
// none has.
std::string near_labels(const api::StringMap& wanted, const std::vector<const api::StringMap*>& there,
                        std::string_view kind);

// A kind as references have it that cannot stand there: which of their fields is wrong, and what was probably
// meant: "did you mean `Secret`?", "its group is gateway.envoyproxy.io".
struct KindSlip {
  const char* field = "kind";  // or "group"
  std::string suggestion;
};
KindSlip slip_of(const GroupKind& written, const GroupKind& meant);

// The same of the nearest of `fitting`; where none is near it suggests `otherwise`.
KindSlip near_kind(const GroupKind& written, Kinds fitting, std::string_view otherwise);

// For a reference to a parent that is none of `kinds`, all of Gateway API's group: a warning where the group
// is Gateway API's or near it, or the kind is near one of these; another's parent is none of our business.
// `path` is that of the reference.
std::optional<Problem> near_parent(const ObjectKey& object, std::string_view path, const GroupKind& parent,
                                   Kinds kinds);

// "gateway.envoyproxy.io/Backend", or "Service".
std::string words_of(const GroupKind& kind);

// The things themselves, as they are: "it has 80/TCP (http) and 53/UDP"; empty where there are none.
std::string list(std::string_view it_has, const std::vector<std::string>& ports);
// Names, in quotes: "it has `http` and `admin`".
std::string list_names(std::string_view it_has, const std::vector<std::string>& names);

}  // namespace sluice::translate

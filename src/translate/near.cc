#include "translate/near.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/closest.h"
#include "base/listing.h"

namespace sluice::translate {
namespace {

// "there is a Backend `x`: write `kind: Backend` and `group: gateway.envoyproxy.io`".
std::string as_another_kind(const ObjectKey& missing, Kinds kinds, const Projections& tables,
                            flow::Reads& reads) {
  for (const GroupKind& kind : kinds) {
    if (kind == missing.kind) continue;
    const NamespacedName name{api::is_namespaced(kind) ? missing.name.namespace_ : "", missing.name.name};
    const auto& of_that_name =
        reads.group(tables.names, NameGroup{kind, NameGroup::By::kName, missing.name.name});
    const auto is_it = [&name](const auto& row) { return row.first.name == name; };
    if (std::ranges::none_of(of_that_name, is_it)) continue;
    std::string text =
        fmt::format("there is a {} `{}`: write `kind: {}`", kind.kind(), name.name, kind.kind());
    if (kind.group() == missing.kind.group()) return text;
    return text + fmt::format(" and `group: {}`", kind.group().empty() ? "\"\"" : kind.group());
  }
  return "";
}

// Names that are looked at, of those that are sorted. Of thousands that is the part where the word would
// stand: most misspellings begin right, and to compare each word with each name would take minutes where both
// are many.
std::vector<std::string_view> neighbours(std::string_view word, std::vector<std::string_view> names) {
  constexpr std::ptrdiff_t kMost = 1'000;
  if (std::ssize(names) <= kMost) return names;
  const auto at = std::ranges::lower_bound(names, word) - names.begin();
  const auto from = names.begin() + std::clamp<std::ptrdiff_t>(at - kMost / 2, 0, std::ssize(names) - kMost);
  return {from, from + kMost};
}

}  // namespace

std::string near_among(std::string_view missing, std::vector<std::string_view> names) {
  return did_you_mean(closest(missing, neighbours(missing, std::move(names))));
}

Kinds backend_kinds() {
  static const GroupKind kKinds[] = {api::kind_of<api::Service>(), api::kind_of<api::Backend>(),
                                     api::kind_of<api::XBackend>(), api::kind_of<api::ServiceImport>(),
                                     api::kind_of<api::InferencePool>()};
  return kKinds;
}

Kinds parent_kinds() {
  static const GroupKind kKinds[] = {api::kind_of<api::Gateway>(), api::kind_of<api::ListenerSet>()};
  return kKinds;
}

Kinds authority_kinds() {
  static const GroupKind kKinds[] = {api::kind_of<api::ConfigMap>(), api::kind_of<api::Secret>(),
                                     api::kind_of<api::ClusterTrustBundle>()};
  return kKinds;
}

std::string near_object(const ObjectKey& missing, Kinds as_well, const Projections& tables,
                        flow::Reads& reads) {
  if (reads.get(tables.unusable, missing) != nullptr) {
    return "it is in the files, and a mistake of its own keeps it out";
  }
  if (std::string other = as_another_kind(missing, as_well, tables, reads); !other.empty()) return other;
  std::vector<std::string_view> beside;
  for (const auto& [object, _] : reads.group(
           tables.names, NameGroup{missing.kind, NameGroup::By::kNamespace, missing.name.namespace_})) {
    beside.emplace_back(object.name.name);
  }
  if (std::string near = near_among(missing.name.name, std::move(beside)); !near.empty()) return near;
  constexpr std::size_t kMostNamespaces = 16;
  std::vector<std::string> namespaces;
  for (const auto& [object, _] :
       reads.group(tables.names, NameGroup{missing.kind, NameGroup::By::kName, missing.name.name})) {
    if (namespaces.size() == kMostNamespaces) break;
    namespaces.push_back(object.name.namespace_);
  }
  if (namespaces.empty()) return "";
  return list_names(namespaces.size() == 1 ? "there is one in namespace" : "there are some in the namespaces",
                    namespaces);
}

std::string near_name(std::string_view missing, std::string_view it_has,
                      const std::vector<std::string>& names) {
  const std::string_view near = closest(missing, {names.begin(), names.end()});
  return near.empty() ? list_names(it_has, names) : did_you_mean(near);
}

std::string words_of(const GroupKind& kind) {
  return kind.group().empty() ? kind.kind() : fmt::format("{}/{}", kind.group(), kind.kind());
}

KindSlip slip_of(const GroupKind& written, const GroupKind& meant) {
  const std::string group = meant.group().empty() ? "`\"\"`, the core group" : meant.group();
  if (written.kind() == meant.kind()) return {"group", fmt::format("its group is {}", group)};
  if (written.group() == meant.group()) return {"kind", did_you_mean(meant.kind())};
  return {"kind", fmt::format("write `kind: {}` and `group: {}`", meant.kind(),
                              meant.group().empty() ? "\"\"" : meant.group())};
}

KindSlip near_kind(const GroupKind& written, Kinds fitting, std::string_view otherwise) {
  constexpr std::size_t kOtherGroup = 2;  // as many letters as a wrong group counts
  const GroupKind* best = nullptr;
  std::size_t least = 0;
  for (const GroupKind& kind : fitting) {
    const Near near = nearest(written.kind(), {kind.kind()});
    if (near.word.empty()) continue;
    const std::size_t distance = near.distance + (written.group() == kind.group() ? 0 : kOtherGroup);
    if (best != nullptr && least <= distance) continue;
    best = &kind;
    least = distance;
  }
  return best == nullptr ? KindSlip{"kind", std::string(otherwise)} : slip_of(written, *best);
}

std::string near_labels(const api::StringMap& wanted, const std::vector<const api::StringMap*>& there,
                        std::string_view kind) {
  for (const auto& [key, value] : wanted) {
    std::set<std::string_view> keys;
    std::set<std::string_view> values;
    for (const api::StringMap* labels : there) {
      for (const auto& [its_key, its_value] : *labels) {
        keys.insert(its_key);
        if (its_key == key) values.insert(its_value);
      }
    }
    if (values.contains(value)) continue;
    return values.empty() ? near_among(key, {keys.begin(), keys.end()})
                          : near_among(value, {values.begin(), values.end()});
  }
  return fmt::format("no single {} has all of them", kind);
}

std::optional<Problem> near_parent(const ObjectKey& object, std::string_view path, const GroupKind& parent,
                                   Kinds kinds) {
  std::vector<std::string_view> names;
  for (const GroupKind& kind : kinds) names.emplace_back(kind.kind());
  const KindSlip slip = near_kind(parent, kinds, "");
  if (slip.suggestion.empty() && closest(parent.group(), {kinds.front().group()}).empty()) {
    return std::nullopt;
  }
  return Problem{.code = "reference/kind",
                 .severity = Severity::kWarning,
                 .where = {},
                 .object = object,
                 .path = fmt::format("{}.{}", path, slip.field),
                 .message = fmt::format("`{}` is no kind of parent", words_of(parent)),
                 .suggestion = slip.suggestion.empty() ? fmt::format("use a {}", fmt::join(names, " or a "))
                                                       : slip.suggestion};
}

std::string list(std::string_view it_has, const std::vector<std::string>& items) {
  return items.empty() ? "" : fmt::format("{} {}", it_has, listing(items, " and "));
}

std::string list_names(std::string_view it_has, const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  quoted.reserve(names.size());
  for (const std::string& name : names) quoted.push_back(fmt::format("`{}`", name));
  return list(it_has, quoted);
}

}  // namespace sluice::translate

#include "translate/reference.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::translate {
namespace {

// https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name
constexpr std::string_view kNamespaceNameLabel = "kubernetes.io/metadata.name";

bool meets(const api::LabelSelectorRequirement& requirement, const api::StringMap& labels) {
  const auto label = labels.find(requirement.key);
  const bool there = label != labels.end();
  const bool among =
      there && std::ranges::find(requirement.values, label->second) != requirement.values.end();
  if (requirement.operator_ == "In") return among;
  if (requirement.operator_ == "NotIn") return !among;
  if (requirement.operator_ == "Exists") return there;
  return !there;  // DoesNotExist
}

// A field of a grant, and what it would have to be.
struct Difference {
  std::string field;
  std::string is;
  std::string wanted;
};

std::string in_quotes(const std::string& text) { return text.empty() ? "\"\"" : fmt::format("`{}`", text); }

// Of the entries the one that differs in the fewest fields, if in one at most: nothing for none.
class Nearest {
 public:
  using Fields = std::initializer_list<std::tuple<std::string_view, std::string_view, std::string_view>>;

  explicit Nearest(std::string_view list) : list_(list) {}

  void add(std::size_t index, Fields fields) {
    std::vector<Difference> differences;
    for (const auto& [name, is, wanted] : fields) {
      if (is == wanted) continue;
      differences.push_back({.field = fmt::format("spec.{}[{}].{}", list_, index, name),
                             .is = std::string(is),
                             .wanted = std::string(wanted)});
    }
    if (!best_ || differences.size() < best_->size()) best_ = std::move(differences);
  }

  // Its fields that differ; at least one where there is no entry.
  std::size_t count() const { return best_ ? best_->size() : 2; }
  const Difference& only() const { return best_->front(); }

 private:
  std::string_view list_;
  std::optional<std::vector<Difference>> best_;
};

std::pair<Nearest, Nearest> compare(const api::ReferenceGrant& grant, const ReferenceFrom& from,
                                    const GroupKind& to_kind, const NamespacedName& to) {
  Nearest of_from("from");
  for (std::size_t i = 0; i < grant.spec.from.size(); ++i) {
    const api::ReferenceGrantFrom& f = grant.spec.from[i];
    of_from.add(i, {{"group", f.group, from.kind.group()},
                    {"kind", f.kind, from.kind.kind()},
                    {"namespace", f.namespace_, from.namespace_}});
  }
  Nearest of_to("to");
  for (std::size_t i = 0; i < grant.spec.to.size(); ++i) {
    const api::ReferenceGrantTo& t = grant.spec.to[i];
    of_to.add(i, {{"group", t.group, to_kind.group()},
                  {"kind", t.kind, to_kind.kind()},
                  {"name", t.name.value_or(to.name), to.name}});
  }
  return {std::move(of_from), std::move(of_to)};
}

}  // namespace

bool permitted(const ReferenceFrom& from, const GroupKind& to_kind, const NamespacedName& to,
               const Projections& tables, flow::Reads& reads) {
  if (from.namespace_ == to.namespace_) return true;
  for (const auto& [name, grant] : reads.group(tables.grants_in, to.namespace_)) {
    const bool from_us = std::ranges::any_of(grant.spec.from, [&](const api::ReferenceGrantFrom& f) {
      return f.group == from.kind.group() && f.kind == from.kind.kind() && f.namespace_ == from.namespace_;
    });
    const bool to_it = std::ranges::any_of(grant.spec.to, [&](const api::ReferenceGrantTo& t) {
      return t.group == to_kind.group() && t.kind == to_kind.kind() && (!t.name || *t.name == to.name);
    });
    if (from_us && to_it) return true;
  }
  return false;
}

std::string authority_of(const api::BackendObjectReference& ref, const std::string& namespace_) {
  std::string authority = fmt::format("{}.{}", ref.name, ref.namespace_.value_or(namespace_));
  if (ref.port) authority += fmt::format(":{}", *ref.port);
  return authority;
}

std::string missing_grant(const ReferenceFrom& from, const GroupKind& to_kind, const NamespacedName& to,
                          const Projections& tables, flow::Reads& reads) {
  for (const auto& [name, grant] : reads.group(tables.grants_in, to.namespace_)) {
    const auto [of_from, of_to] = compare(grant, from, to_kind, to);
    if (of_from.count() + of_to.count() != 1) continue;
    const Difference& only = of_from.count() == 1 ? of_from.only() : of_to.only();
    return fmt::format("ReferenceGrant {} would, if its `{}` were {} instead of {}", name.to_string(),
                       only.field, in_quotes(only.wanted), in_quotes(only.is));
  }
  for (const auto& [name, grant] : reads.group(tables.grants_in, from.namespace_)) {
    const auto [of_from, of_to] = compare(grant, from, to_kind, to);
    if (of_from.count() + of_to.count() == 0) {
      return fmt::format("ReferenceGrant {} would, if it were in namespace {}", name.to_string(),
                         to.namespace_);
    }
  }
  return fmt::format("add a ReferenceGrant to namespace {}", to.namespace_);
}

std::expected<void, std::string> check_selector(const api::LabelSelector& selector) {
  for (const api::LabelSelectorRequirement& r : selector.match_expressions) {
    const bool set = r.operator_ == "In" || r.operator_ == "NotIn";
    const bool exists = r.operator_ == "Exists" || r.operator_ == "DoesNotExist";
    if (!set && !exists) {
      return std::unexpected(
          fmt::format("`{}` is no operator, use In, NotIn, Exists or DoesNotExist", r.operator_));
    }
    if (set && r.values.empty()) {
      return std::unexpected(fmt::format("operator {} on `{}` needs values", r.operator_, r.key));
    }
    if (exists && !r.values.empty()) {
      return std::unexpected(fmt::format("operator {} on `{}` takes no values", r.operator_, r.key));
    }
  }
  return {};
}

std::optional<NamespacesFault> check_namespaces(const api::RouteNamespaces& namespaces) {
  const bool by_labels = namespaces.from == api::FromNamespaces::kSelector;
  if (!by_labels && namespaces.selector) {
    return NamespacesFault{"selector", "`selector` means nothing without `from: Selector`",
                           "write `from: Selector`, or remove `selector`", false};
  }
  if (!by_labels) return std::nullopt;
  if (!namespaces.selector) {
    return NamespacesFault{
        "from", "`from: Selector` needs a `selector`",
        fmt::format("add `selector: {{matchLabels: {{{}: NAME}}}}` or another, or write `from: Same` or "
                    "`from: All`",
                    kNamespaceNameLabel),
        true};
  }
  const auto good = check_selector(*namespaces.selector);
  if (good) return std::nullopt;
  return NamespacesFault{"selector", good.error(), "", true};
}

bool selects(const api::LabelSelector& selector, const api::StringMap& labels) {
  return std::ranges::all_of(selector.match_labels,
                             [&](const auto& wanted) {
                               const auto label = labels.find(wanted.first);
                               return label != labels.end() && label->second == wanted.second;
                             }) &&
         std::ranges::all_of(selector.match_expressions,
                             [&](const auto& requirement) { return meets(requirement, labels); });
}

api::StringMap labels_of_namespace(const std::string& namespace_, const Projections& tables,
                                   flow::Reads& reads) {
  const api::StringMap* labels = reads.get(tables.namespace_labels, NamespacedName{"", namespace_});
  if (labels != nullptr) return *labels;
  return {{std::string(kNamespaceNameLabel), namespace_}};
}

bool allows(const api::RouteNamespaces& allowed, const std::string& to, const std::string& from,
            const Projections& tables, flow::Reads& reads) {
  switch (allowed.from) {
    case api::FromNamespaces::kAll:
      return true;
    case api::FromNamespaces::kNone:
      return false;
    case api::FromNamespaces::kSame:
      return to == from;
    case api::FromNamespaces::kSelector:
      return allowed.selector && check_selector(*allowed.selector) &&
             selects(*allowed.selector, labels_of_namespace(from, tables, reads));
  }
  return false;
}

}  // namespace sluice::translate

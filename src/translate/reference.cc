#include "translate/reference.h"

#include <algorithm>

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

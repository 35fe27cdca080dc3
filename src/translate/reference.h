// References between objects: which are permitted, and which namespaces a selector selects.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "translate/tables.h"

namespace sluice::translate {

struct ReferenceFrom {
  const GroupKind& kind;
  const std::string& namespace_;
};

// True where the reference stays in its namespace, or a ReferenceGrant in the target's namespace permits it.
bool permitted(const ReferenceFrom& from, const GroupKind& to_kind, const NamespacedName& to,
               const Projections& tables, flow::Reads& reads);

// What would have a reference permitted that is not: the one field of a ReferenceGrant that differs, the
// namespace that the grant has to be in, or a grant that there is not.
std::string missing_grant(const ReferenceFrom& from, const GroupKind& to_kind, const NamespacedName& to,
                          const Projections& tables, flow::Reads& reads);

// How a service that is referred to from a namespace is called in requests to it: "name.namespace:port".
std::string authority_of(const api::BackendObjectReference& ref, const std::string& namespace_);

// Nothing, or why the selector is none: an unknown operator, values where there must be none, and so on.
std::expected<void, std::string> check_selector(const api::LabelSelector& selector);

// What is wrong with the choice of namespaces: then it selects none, or its selector is one that nobody
// reads.
struct NamespacesFault {
  const char* field;  // below the choice
  std::string message;
  std::string suggestion;
  bool selects_nothing;
};
std::optional<NamespacesFault> check_namespaces(const api::RouteNamespaces& namespaces);

// The selector must have passed check_selector().
bool selects(const api::LabelSelector& selector, const api::StringMap& labels);

// The labels of a namespace. One that no Namespace object describes has just its name as label, as every
// namespace of Kubernetes has: files on a host need no Namespace objects.
api::StringMap labels_of_namespace(const std::string& namespace_, const Projections& tables,
                                   flow::Reads& reads);

// True where objects of namespace `from` may attach to what an object of namespace `to` offers.
bool allows(const api::RouteNamespaces& allowed, const std::string& to, const std::string& from,
            const Projections& tables, flow::Reads& reads);

}  // namespace sluice::translate

// Names for the user's objects.
//
// A GroupKind is interned: copying it is copying a pointer, comparing for equality is comparing pointers,
// ordering is by text ("" < "gateway.networking.k8s.io"). An ObjectKey names one object of the user's,
// whatever its version: HTTPRoute default/web is one object in v1 and in v1beta1.
//
// Threads: everything here may be used from any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/interned.h"

namespace sluice {

class GroupKind {
 public:
  // The empty group and kind.
  GroupKind();
  // Interns the pair for the life of the process.
  GroupKind(std::string_view group, std::string_view kind);

  const std::string& group() const;
  const std::string& kind() const;

  bool operator==(const GroupKind& other) const = default;
  std::strong_ordering operator<=>(const GroupKind& other) const;
  std::size_t hash() const { return std::hash<const void*>()(entry_); }

 private:
  struct Entry;
  const Entry* entry_;
};

// Namespace and name. The namespace of a cluster-scoped object is empty.
struct NamespacedName {
  Interned namespace_;
  std::string name;

  bool operator==(const NamespacedName&) const = default;
  std::strong_ordering operator<=>(const NamespacedName&) const = default;
  // "default/web", or "web" without a namespace.
  std::string to_string() const;

  template <typename H>
  friend H AbslHashValue(H h, const NamespacedName& n) {
    return H::combine(std::move(h), n.namespace_, n.name);
  }
};

struct ObjectKey {
  GroupKind kind;
  NamespacedName name;

  bool operator==(const ObjectKey&) const = default;
  std::strong_ordering operator<=>(const ObjectKey&) const = default;
  // "HTTPRoute default/web".
  std::string to_string() const;

  template <typename H>
  friend H AbslHashValue(H h, const ObjectKey& k) {
    return H::combine(std::move(h), k.kind.hash(), k.name);
  }
};

}  // namespace sluice

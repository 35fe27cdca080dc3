// Where a walk over a tree is: a chain of steps on the stack, made into text only when there is something to
// report. The walks' own business; nobody else includes this.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

struct Path {
  const Path* parent = nullptr;  // nullptr: the root
  std::string_view name;         // the member's, or empty: an item of a list
  std::size_t index = 0;
  const Tree* tree = nullptr;  // what stands here
  const Type* type = nullptr;
  bool is_key = false;  // `name` is a key of a map, which may be any text

  // "spec.rules[0].matches", "metadata.labels[example.com/a]"; empty at the root.
  std::string to_string() const;
};

// Calls visit(path, field) for `path` and what is below it, from the outside in; `field` is null for what is
// no member of an object. Nothing below is visited where it returns false. What is not of its type has
// nothing below.
template <typename Visit>
void walk(const Path& path, const Visit& visit, const Field* field = nullptr) {
  if (!visit(path, field)) return;
  const Type& type = *path.type;
  if (type.kind == Type::Kind::kObject && path.tree->is_map()) {
    for (const Tree::Member& member : path.tree->members()) {
      const Field* const known = type.find(member.key);
      if (known == nullptr) continue;
      walk({.parent = &path, .name = known->name, .tree = &member.value, .type = known->type.get()}, visit,
           known);
    }
  } else if (type.kind == Type::Kind::kMap && path.tree->is_map()) {
    for (const Tree::Member& member : path.tree->members()) {
      walk({.parent = &path,
            .name = member.key,
            .tree = &member.value,
            .type = type.item.get(),
            .is_key = true},
           visit);
    }
  } else if (type.kind == Type::Kind::kList && path.tree->is_list()) {
    const std::vector<Tree>& items = path.tree->items();
    for (std::size_t i = 0; i < items.size(); ++i) {
      walk({.parent = &path, .index = i, .tree = &items[i], .type = type.item.get()}, visit);
    }
  }
}

// Where below `tree` the node at the address `wanted` is; empty when it is nowhere.
std::string path_below(const Tree& tree, const Tree* wanted);

// "a string", "a list", …: what a tree is.
std::string_view words_for(Tree::Type type);
std::string_view words_for(Type::Kind kind);

}  // namespace sluice::schema

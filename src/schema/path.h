// Where a walk over a tree is: a chain of steps on the stack, made into text only when there is something to
// report. The walks' own business; nobody else includes this.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

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

// Where below `tree` the node at the address `wanted` is; empty when it is nowhere.
std::string path_below(const Tree& tree, const Tree* wanted);

// "a string", "a list", …: what a tree is.
std::string_view words_for(Tree::Type type);
std::string_view words_for(Type::Kind kind);

}  // namespace sluice::schema

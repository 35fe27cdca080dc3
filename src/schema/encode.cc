#include "schema/encode.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace sluice::schema {

namespace {

Tree encode_fields(const void* source, const void* initial, const Type& type);

// `initial` is what a struct has before anything is bound: the one that holds it may have its own idea.
Tree encode_value(const void* source, const void* initial, const Codec& codec, const Type& type) {
  switch (codec.kind) {
    case Codec::Kind::kScalar:
      return codec.load(source, type);
    case Codec::Kind::kStruct:
      return encode_fields(source, initial, type);
    case Codec::Kind::kList: {
      std::vector<Tree> items;
      const std::size_t size = codec.size(source);
      items.reserve(size);
      for (std::size_t i = 0; i < size; ++i) {
        items.push_back(encode(codec.at(source, i), *codec.item, *type.item));
      }
      return Tree::list(std::move(items));
    }
    case Codec::Kind::kMap: {
      std::vector<Tree::Member> members;
      codec.each(source, [&](const std::string& key, const void* value) {
        members.push_back({.key = key, .value = encode(value, *codec.item, *type.item)});
      });
      return Tree::map(std::move(members));
    }
  }
  return {};
}

const void* initial_of(const Codec& codec) { return codec.initial == nullptr ? nullptr : codec.initial(); }

Tree encode_fields(const void* source, const void* initial, const Type& type) {
  std::vector<Tree::Member> members;
  for (const Field& field : type.fields) {
    if (field.get == nullptr) continue;
    const void* const value = field.get(source);
    if (value == nullptr) continue;
    const void* const absent = field.get(initial);
    const void* const value_initial = absent != nullptr ? absent : initial_of(*field.codec);
    Tree tree = encode_value(value, value_initial, *field.codec, *field.type);
    if (tree.is_null() && !field.type->is_nullable) continue;
    const bool is_always_there = field.is_required || field.default_value;
    if (!is_always_there && absent != nullptr &&
        tree == encode_value(absent, value_initial, *field.codec, *field.type)) {
      continue;
    }
    members.push_back({.key = field.name, .value = std::move(tree)});
  }
  return Tree::map(std::move(members));
}

}  // namespace

Tree encode(const void* source, const Codec& codec, const Type& type) {
  return encode_value(source, initial_of(codec), codec, type);
}

}  // namespace sluice::schema

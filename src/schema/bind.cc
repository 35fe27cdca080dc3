#include "schema/bind.h"

#include <cstddef>

#include <fmt/format.h>

#include "schema/path.h"

namespace sluice::schema {

namespace {

class Binder {
 public:
  explicit Binder(std::vector<Problem>* problems) : problems_(problems) {}

  bool bind(const Path& path, const Codec& codec, void* target) {
    const Tree& tree = *path.tree;
    const Type& type = *path.type;
    switch (codec.kind) {
      case Codec::Kind::kScalar:
        if (!codec.store(target, tree, type)) return misfit(path);
        break;
      case Codec::Kind::kStruct:
        if (!tree.is_map()) return misfit(path);
        if (!bind_fields(path, target)) return false;
        break;
      case Codec::Kind::kList: {
        if (!tree.is_list()) return misfit(path);
        const std::vector<Tree>& items = tree.items();
        codec.reserve(target, items.size());
        for (std::size_t i = 0; i < items.size(); ++i) {
          const Path item{.parent = &path, .index = i, .tree = &items[i], .type = type.item.get()};
          if (!bind(item, *codec.item, codec.append(target))) return false;
        }
        break;
      }
      case Codec::Kind::kMap: {
        if (!tree.is_map()) return misfit(path);
        codec.reserve(target, tree.members().size());
        for (const Tree::Member& member : tree.members()) {
          void* const place = codec.insert(target, member.key);
          if (member.value.is_null()) continue;  // the item's zero value
          const Path value{.parent = &path,
                           .name = member.key,
                           .tree = &member.value,
                           .type = type.item.get(),
                           .is_key = true};
          if (!bind(value, *codec.item, place)) return false;
        }
        break;
      }
    }
    if (type.finish != nullptr) type.finish(target);
    return true;
  }

 private:
  bool bind_fields(const Path& path, void* target) {
    for (const Field& field : path.type->fields) {
      if (field.at == nullptr) continue;
      const Tree* value = path.tree->find(field.name);
      if (value == nullptr || (value->is_null() && !field.type->is_nullable)) {
        if (!field.default_value) continue;
        value = &*field.default_value;
      }
      const Path here{.parent = &path, .name = field.name, .tree = value, .type = field.type.get()};
      if (!bind(here, *field.codec, field.at(target))) return false;
    }
    return true;
  }

  bool misfit(const Path& path) {
    Problem& problem = problems_->emplace_back();
    problem.code = "schema/wrong-type";
    problem.where.line = path.tree->line();
    problem.where.column = path.tree->column();
    problem.path = path.to_string();
    problem.message =
        fmt::format("{} of a form that this version does not know", words_for(path.tree->type()));
    return false;
  }

  std::vector<Problem>* problems_;
};

}  // namespace

bool bind(const Tree& tree, const Type& type, void* target, std::vector<Problem>* problems) {
  static constexpr Codec kStruct{.kind = Codec::Kind::kStruct};
  return Binder(problems).bind({.tree = &tree, .type = &type}, kStruct, target);
}

}  // namespace sluice::schema

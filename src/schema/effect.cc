#include "schema/effect.h"

#include <fmt/format.h>

#include "schema/codec.h"
#include "schema/path.h"

namespace sluice::schema {
namespace {

void walk(const Path& path, std::vector<Problem>* problems);

void walk_member(const Path& parent, const Field& field, const Tree& value, std::vector<Problem>* problems) {
  if (field.is_passive || field.is_ignored || value.is_null()) return;
  const Path here{.parent = &parent, .name = field.name, .tree = &value, .type = field.type.get()};
  if (field.is_effective && field.codec != nullptr) {
    // What is bound as one value, a Tree for instance, is bound as a whole.
    if (field.codec->kind != Codec::Kind::kScalar) walk(here, problems);
    return;
  }
  problems->push_back({.code = "support/no-effect",
                       .severity = Severity::kWarning,
                       .where = {.file = "", .line = value.line(), .column = value.column()},
                       .object = {},
                       .path = here.to_string(),
                       .message = fmt::format("`{}` is checked, but has no effect yet", field.name),
                       .suggestion = "",
                       .also = {}});
}

void walk(const Path& path, std::vector<Problem>* problems) {
  const Type& type = *path.type;
  if (type.is_passive) return;
  switch (type.kind) {
    case Type::Kind::kObject:
      for (const Tree::Member& member : path.tree->members()) {
        if (const Field* field = type.find(member.key)) walk_member(path, *field, member.value, problems);
      }
      break;
    case Type::Kind::kList:
      for (std::size_t i = 0; i < path.tree->items().size(); ++i) {
        walk({.parent = &path, .index = i, .tree = &path.tree->items()[i], .type = type.item.get()},
             problems);
      }
      break;
    case Type::Kind::kMap:
      for (const Tree::Member& member : path.tree->members()) {
        walk({.parent = &path,
              .name = member.key,
              .tree = &member.value,
              .type = type.item.get(),
              .is_key = true},
             problems);
      }
      break;
    default:
      break;
  }
}

}  // namespace

void report_ineffective(const Tree& tree, const Type& type, std::vector<Problem>* problems) {
  walk({.tree = &tree, .type = &type}, problems);
}

}  // namespace sluice::schema

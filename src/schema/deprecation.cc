#include "schema/deprecation.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include "schema/path.h"
#include "tree/write.h"

namespace sluice::schema {

namespace {

// A longer text is easier to make by hand than to copy.
constexpr std::size_t kMaxShown = 160;

// A text that is the same string without quotes, whatever stands around it.
bool is_plain(const std::string& text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_inside = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/';
  };
  constexpr std::string_view kWords[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return !text.empty() && is_letter(text[0]) && std::ranges::all_of(text, is_inside) &&
         std::ranges::find(kWords, lower) == std::end(kWords);
}

// On one line, as people write YAML: {name: a, port: 80}.
std::string flow(const Tree& tree) {
  std::string text;
  if (tree.is_map()) {
    for (const Tree::Member& member : tree.members()) {
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", flow(Tree::string(member.key)),
                          flow(member.value));
    }
    return "{" + text + "}";
  }
  if (tree.is_list()) {
    for (const Tree& item : tree.items()) text += (text.empty() ? "" : ", ") + flow(item);
    return "[" + text + "]";
  }
  return tree.is_string() && is_plain(tree.as_string()) ? tree.as_string() : to_json(tree);
}

// The field's name, not its value: that is what has to change.
Where place_of(const Path& path) {
  for (const Tree::Member& member : path.parent->tree->members()) {
    if (&member.value == path.tree) return {.file = "", .line = member.line, .column = member.column};
  }
  return {};
}

std::string what_instead(const Path& path, const Field& field) {
  const Field* const other = path.parent->type->find(field.replaced_by);
  const bool is_item = other->type->kind == Type::Kind::kList && field.type->kind != Type::Kind::kList;
  const std::string value = is_item ? fmt::format("[{}]", flow(*path.tree)) : flow(*path.tree);
  // Who has both has to join them.
  const bool is_alone = path.parent->tree->find(field.replaced_by) == nullptr;
  const bool is_shown = value.size() <= kMaxShown && value.find_first_of("`\x7F") == std::string::npos;
  if (is_alone && is_shown && !field.type->is_secret)
    return fmt::format("write `{}: {}`", field.replaced_by, value);
  return fmt::format("write {}`{}`", is_item ? "it as an item of " : "", field.replaced_by);
}

}  // namespace

void report_deprecated(const Tree& tree, const Type& type, std::vector<Problem>* problems) {
  walk({.tree = &tree, .type = &type}, [problems](const Path& path, const Field* field) {
    if (path.tree->is_null() || (field != nullptr && field->is_ignored)) return false;
    if (field == nullptr || field->replaced_by.empty()) return true;
    problems->push_back(
        {.code = "support/deprecated-field",
         .severity = Severity::kWarning,
         .where = place_of(path),
         .object = {},
         .path = path.to_string(),
         .message = fmt::format("`{}` is deprecated: `{}` replaces it", field->name, field->replaced_by),
         .suggestion = what_instead(path, *field),
         .also = {}});
    return true;
  });
}

}  // namespace sluice::schema

#include "schema/path.h"

#include <vector>

#include <fmt/format.h>

namespace sluice::schema {

namespace {

std::string key_step(std::string_view key, bool is_first) {
  if (key.find_first_of(".[]/ ") != std::string_view::npos) return fmt::format("[{}]", key);
  return fmt::format("{}{}", is_first ? "" : ".", key);
}

}  // namespace

std::string path_below(const Tree& tree, const Tree* wanted) {
  const auto step = [wanted](const Tree& child, std::string here) {
    if (&child == wanted) return here;
    const std::string rest = path_below(child, wanted);
    if (rest.empty()) return rest;
    return here + (rest.front() == '[' ? "" : ".") + rest;
  };
  std::string found;
  if (tree.is_list()) {
    for (std::size_t i = 0; i < tree.items().size() && found.empty(); ++i) {
      found = step(tree.items()[i], fmt::format("[{}]", i));
    }
  } else if (tree.is_map()) {
    for (const Tree::Member& member : tree.members()) {
      if (found.empty()) found = step(member.value, key_step(member.key, true));
    }
  }
  return found;
}

std::string Path::to_string() const {
  std::vector<const Path*> steps;
  for (const Path* step = this; step->parent != nullptr; step = step->parent) steps.push_back(step);
  std::string text;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const std::string_view key = (*step)->name;
    if ((*step)->is_key) {
      text += key_step(key, text.empty());
    } else if (!key.empty()) {
      if (!text.empty()) text += '.';
      text += key;
    } else {
      text += fmt::format("[{}]", (*step)->index);
    }
  }
  return text;
}

std::string_view words_for(Tree::Type type) {
  switch (type) {
    case Tree::Type::kNull:
      return "nothing";
    case Tree::Type::kBool:
      return "a boolean";
    case Tree::Type::kInt:
      return "an integer";
    case Tree::Type::kFloat:
      return "a number";
    case Tree::Type::kString:
      return "a string";
    case Tree::Type::kList:
      return "a list";
    case Tree::Type::kMap:
      return "a map";
  }
  return "";
}

std::string_view words_for(Type::Kind kind) {
  switch (kind) {
    case Type::Kind::kObject:
      return "a map of fields";
    case Type::Kind::kList:
      return "a list";
    case Type::Kind::kMap:
      return "a map";
    case Type::Kind::kString:
      return "a string";
    case Type::Kind::kBool:
      return "true or false";
    case Type::Kind::kInteger:
      return "an integer";
    case Type::Kind::kNumber:
      return "a number";
    case Type::Kind::kIntOrString:
      return "an integer or a string";
    case Type::Kind::kAny:
      return "anything";
  }
  return "";
}

}  // namespace sluice::schema

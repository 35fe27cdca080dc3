#include "tree/write.h"

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

// Plain scalars that some version of YAML takes for something else than a string.
constexpr std::string_view kWords[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

void write(const Tree& tree, std::string& out) {
  const auto text = [](const auto& value) { return nlohmann::json(value).dump(); };
  switch (tree.type()) {
    case Tree::Type::kNull:
      out += "null";
      break;
    case Tree::Type::kBool:
      out += tree.as_bool() ? "true" : "false";
      break;
    case Tree::Type::kInt:
      out += std::to_string(tree.as_int());
      break;
    case Tree::Type::kFloat:
      out += text(tree.as_float());
      break;
    case Tree::Type::kString:
      out += text(tree.as_string());
      break;
    case Tree::Type::kList: {
      out += '[';
      for (std::size_t i = 0; i < tree.items().size(); ++i) {
        if (i > 0) out += ',';
        write(tree.items()[i], out);
      }
      out += ']';
      break;
    }
    case Tree::Type::kMap: {
      out += '{';
      for (std::size_t i = 0; i < tree.members().size(); ++i) {
        if (i > 0) out += ',';
        out += text(tree.members()[i].key) + ":";
        write(tree.members()[i].value, out);
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

bool is_plain_in_yaml(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || text.size() > 80 || (!is_letter(text[0]) && text[0] != '/')) return false;
  if (!std::ranges::all_of(text, [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-' || c == '_';
      })) {
    return false;
  }
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::ranges::find(kWords, lower) == std::end(kWords);
}

namespace {

bool is_block(const Tree& tree) {
  return (tree.is_map() && !tree.members().empty()) || (tree.is_list() && !tree.items().empty());
}

// What follows "key:" or "-" on the same line, or a block below it.
void write_yaml(const Tree& tree, std::size_t indent, std::string& out) {
  const auto scalar = [&out](const Tree& value) {
    if (value.is_string() && is_plain_in_yaml(value.as_string())) {
      out += value.as_string();
    } else {
      write(value, out);
    }
    out += '\n';
  };
  if (!is_block(tree)) return scalar(tree);
  bool is_first = true;
  const auto begin = [&] {
    if (!is_first) out.append(indent, ' ');
    is_first = false;
  };
  if (tree.is_list()) {
    for (const Tree& item : tree.items()) {
      begin();
      out += "- ";
      write_yaml(item, indent + 2, out);
    }
    return;
  }
  for (const Tree::Member& member : tree.members()) {
    begin();
    if (is_plain_in_yaml(member.key)) {
      out += member.key;
    } else {
      write(Tree::string(member.key), out);
    }
    out += ':';
    if (!is_block(member.value)) {
      out += ' ';
      scalar(member.value);
    } else {
      // Lists stand at the column of their key.
      const std::size_t below = member.value.is_list() ? indent : indent + 2;
      out += '\n';
      out.append(below, ' ');
      write_yaml(member.value, below, out);
    }
  }
}

}  // namespace

std::string to_yaml(const Tree& tree) {
  std::string out;
  write_yaml(tree, 0, out);
  return out;
}

std::string to_json(const Tree& tree) {
  std::string out;
  write(tree, out);
  return out;
}

}  // namespace sluice

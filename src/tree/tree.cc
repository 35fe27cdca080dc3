#include "tree/tree.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <variant>

namespace sluice {

namespace {

[[noreturn]] void wrong_type(const char* wanted) {
  std::fprintf(stderr, "Tree: the node is no %s\n", wanted);
  std::abort();
}

}  // namespace

struct Tree::Node {
  std::variant<bool, std::int64_t, double, std::string, std::vector<Tree>, std::vector<Member>> value;
  Type type;
  std::uint32_t line;
  std::uint32_t column;
};

Tree::Tree() = default;

Tree Tree::null(std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{false, Type::kNull, line, column}));
}

Tree Tree::boolean(bool value, std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{value, Type::kBool, line, column}));
}

Tree Tree::integer(std::int64_t value, std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{value, Type::kInt, line, column}));
}

Tree Tree::number(double value, std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{value, Type::kFloat, line, column}));
}

Tree Tree::string(std::string value, std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{std::move(value), Type::kString, line, column}));
}

Tree Tree::list(std::vector<Tree> items, std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{std::move(items), Type::kList, line, column}));
}

Tree Tree::map(std::vector<Member> members, std::uint32_t line, std::uint32_t column) {
  return Tree(std::make_shared<const Node>(Node{std::move(members), Type::kMap, line, column}));
}

Tree::Type Tree::type() const { return node_ == nullptr ? Type::kNull : node_->type; }
std::uint32_t Tree::line() const { return node_ == nullptr ? 0 : node_->line; }
std::uint32_t Tree::column() const { return node_ == nullptr ? 0 : node_->column; }

bool Tree::as_bool() const {
  if (type() != Type::kBool) wrong_type("bool");
  return std::get<bool>(node_->value);
}

std::int64_t Tree::as_int() const {
  if (type() != Type::kInt) wrong_type("int");
  return std::get<std::int64_t>(node_->value);
}

double Tree::as_float() const {
  if (type() == Type::kInt) return static_cast<double>(as_int());
  if (type() != Type::kFloat) wrong_type("number");
  return std::get<double>(node_->value);
}

const std::string& Tree::as_string() const {
  if (type() != Type::kString) wrong_type("string");
  return std::get<std::string>(node_->value);
}

const std::vector<Tree>& Tree::items() const {
  if (type() != Type::kList) wrong_type("list");
  return std::get<std::vector<Tree>>(node_->value);
}

const std::vector<Tree::Member>& Tree::members() const {
  if (type() != Type::kMap) wrong_type("map");
  return std::get<std::vector<Member>>(node_->value);
}

const Tree* Tree::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  for (const Member& member : members()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const Tree* Tree::at(std::string_view path) const {
  const Tree* tree = this;
  while (!path.empty() && tree != nullptr) {
    if (path.front() == '.') {
      path.remove_prefix(1);
    } else if (path.front() == '[') {
      const std::size_t end = path.find(']');
      if (end == std::string_view::npos) return nullptr;
      const std::string_view inside = path.substr(1, end - 1);
      if (tree->is_list()) {
        std::size_t index = 0;
        const auto [stop, error] = std::from_chars(inside.data(), inside.data() + inside.size(), index);
        if (error != std::errc() || stop != inside.data() + inside.size()) return nullptr;
        tree = index < tree->items().size() ? &tree->items()[index] : nullptr;
      } else {
        tree = tree->find(inside);
      }
      path.remove_prefix(end + 1);
    } else {
      const std::size_t end = std::min(path.find_first_of(".["), path.size());
      tree = tree->find(path.substr(0, end));
      path.remove_prefix(end);
    }
  }
  return tree;
}

bool Tree::operator==(const Tree& other) const {
  if (node_ == other.node_) return true;
  if (type() != other.type()) return false;
  switch (type()) {
    case Type::kNull:
      return true;
    case Type::kBool:
    case Type::kInt:
    case Type::kFloat:
    case Type::kString:
    case Type::kList:
      return node_->value == other.node_->value;
    case Type::kMap:
      break;
  }
  // The order of a map's members is how it was written, not what it says.
  if (members().size() != other.members().size()) return false;
  for (std::size_t i = 0; i < members().size(); ++i) {
    const Member& member = members()[i];
    const Member& same_place = other.members()[i];
    const Tree* value = same_place.key == member.key ? &same_place.value : other.find(member.key);
    if (value == nullptr || !(*value == member.value)) return false;
  }
  return true;
}

}  // namespace sluice

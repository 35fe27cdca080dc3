// A Tree is a YAML or JSON document as a value: null, bool, number, string, list or map, each node with the
// line and column where it stands in its text.
//
// Maps keep the order of the text and have unique string keys (the parser refuses duplicates). Two trees are
// equal when their values are: positions do not count, nor does the order of a map's members. Numbers keep
// integers apart from floats, as JSON Schema wants.
//
// Copying a Tree copies a pointer: nodes are immutable and shared.
//
// Threads: a Tree may be read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

class Tree {
 public:
  enum class Type : std::uint8_t { kNull, kBool, kInt, kFloat, kString, kList, kMap };

  // A member of a map: its key, where the key stands, and the value.
  struct Member;

  Tree();  // null, at no place
  static Tree null(std::uint32_t line, std::uint32_t column);
  static Tree boolean(bool value, std::uint32_t line = 0, std::uint32_t column = 0);
  static Tree integer(std::int64_t value, std::uint32_t line = 0, std::uint32_t column = 0);
  static Tree number(double value, std::uint32_t line = 0, std::uint32_t column = 0);
  static Tree string(std::string value, std::uint32_t line = 0, std::uint32_t column = 0);
  static Tree list(std::vector<Tree> items, std::uint32_t line = 0, std::uint32_t column = 0);
  static Tree map(std::vector<Member> members, std::uint32_t line = 0, std::uint32_t column = 0);

  Type type() const;
  bool is_null() const { return type() == Type::kNull; }
  bool is_map() const { return type() == Type::kMap; }
  bool is_list() const { return type() == Type::kList; }
  bool is_string() const { return type() == Type::kString; }

  // From 1; 0 where the node was made by hand.
  std::uint32_t line() const;
  std::uint32_t column() const;

  // Each asks for a node of its type; anything else is a bug and stops the program.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_float() const;  // of an int too
  const std::string& as_string() const;
  const std::vector<Tree>& items() const;
  const std::vector<Member>& members() const;

  // The member's value, or null when this is no map or has no such member.
  const Tree* find(std::string_view key) const;
  // find() along "spec.rules[0].name" or, for keys that are no identifiers, "metadata.labels[example.com/a]";
  // null when the path leads nowhere.
  const Tree* at(std::string_view path) const;

  bool operator==(const Tree& other) const;

 private:
  struct Node;
  explicit Tree(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const Node> node_;
};

struct Tree::Member {
  std::string key;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  Tree value;

  // Of key and value; not of the place.
  bool operator==(const Member& other) const { return key == other.key && value == other.value; }
};

}  // namespace sluice

#include "text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <simdjson.h>

#include "fuzz.h"

namespace sluice::fuzz {
namespace {

// The lengths of the lines in code points, of a text that may be anything.
std::vector<std::size_t> line_lengths(std::string_view text) {
  std::vector<std::size_t> lengths(1);
  for (const char c : text) {
    if (c == '\n') {
      lengths.push_back(0);
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++lengths.back();
    }
  }
  return lengths;
}

class Checker {
 public:
  explicit Checker(std::string_view text) : lengths_(line_lengths(text)) {}

  // A place is on a character of the text, or right behind a line.
  bool is_place(std::uint32_t line, std::uint32_t column) const {
    return line >= 1 && line <= lengths_.size() && column >= 1 && column <= lengths_[line - 1] + 1;
  }

  void check(const Tree& tree, std::size_t depth) {
    require(++nodes_ <= kMaxNodes, "a document has at most kMaxNodes nodes");
    require(is_place(tree.line(), tree.column()), "a node stands in the text",
            fmt::format("{}:{}", tree.line(), tree.column()));
    if (tree.is_string()) require(is_utf8(tree.as_string()), "strings are UTF-8");
    if (tree.is_map() || tree.is_list()) require(depth < kMaxDepth, "a document has few levels");
    if (tree.is_list()) {
      for (const Tree& item : tree.items()) check(item, depth + 1);
    }
    if (tree.is_map()) {
      for (const Tree::Member& member : tree.members()) {
        require(is_utf8(member.key), "keys are UTF-8");
        require(is_place(member.line, member.column), "a key stands in the text");
        check(member.value, depth + 1);
      }
    }
  }

 private:
  std::vector<std::size_t> lengths_;
  std::size_t nodes_ = 0;
};

}  // namespace

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

bool is_readable(std::string_view text) {
  constexpr std::size_t kMost = 2'000;
  return text.size() <= kMost && is_utf8(text) && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == '\x7F';
         });
}

void require_parsed(std::string_view text, const std::vector<Document>& documents,
                    const std::vector<Problem>& problems) {
  Checker places(text);
  for (const Problem& problem : problems) {
    const std::string detail =
        fmt::format("{}:{}: {}: {}", problem.where.line, problem.where.column, problem.code, problem.message);
    require(problem.code.starts_with("syntax/"), "a parser's problems are of syntax", detail);
    require(problem.severity == Severity::kError, "a parser's problems are errors", detail);
    require(!problem.message.empty() && is_readable(problem.message) && is_readable(problem.suggestion),
            "a problem can be read", detail);
    require(places.is_place(problem.where.line, problem.where.column), "a problem stands in the text",
            detail);
  }
  for (const Document& document : documents) {
    Checker(text).check(document.tree, 0);
    require(document.line == document.tree.line(), "a document begins where its tree does");
  }
}

std::size_t size_of(const Tree& tree) {
  std::size_t size = 1;
  if (tree.is_list()) {
    for (const Tree& item : tree.items()) size += size_of(item);
  }
  if (tree.is_map()) {
    for (const Tree::Member& member : tree.members()) size += size_of(member.value);
  }
  return size;
}

bool same(const Tree& a, const Tree& b) {
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Tree::Type::kFloat:
      return a.as_float() == b.as_float() || (std::isnan(a.as_float()) && std::isnan(b.as_float()));
    case Tree::Type::kList:
      return std::ranges::equal(a.items(), b.items(), same);
    case Tree::Type::kMap:
      return std::ranges::equal(a.members(), b.members(), [](const Tree::Member& x, const Tree::Member& y) {
        return x.key == y.key && same(x.value, y.value);
      });
    default:
      return a == b;
  }
}

}  // namespace sluice::fuzz

#include "tree/json.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "tree/characters.h"

namespace sluice::tree_internal {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class JsonReader {
 public:
  JsonReader(std::string_view text, Problem* problem) : text_(text), problem_(problem) {}

  bool read_all(std::vector<Document>* documents) {
    for (;;) {
      skip_space();
      if (at_end()) return true;
      if (rest().starts_with("---")) {
        while (!at_end() && peek() != '\n') ++position_;
        continue;
      }
      nodes_ = 0;
      Tree tree;
      const std::uint32_t line = line_;
      if (!read_value(0, &tree)) return false;
      documents->push_back({std::move(tree), line});
    }
  }

 private:
  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return text_[position_]; }
  std::string_view rest() const { return text_.substr(position_); }

  std::uint32_t column() {
    // Code points since the line's begin, counted on from where they were counted last.
    for (; counted_ < position_; ++counted_) {
      if ((static_cast<unsigned char>(text_[counted_]) & 0xC0) != 0x80) ++column_;
    }
    return column_;
  }

  void new_line() {
    ++line_;
    counted_ = position_;
    column_ = 1;
  }

  void skip_space() {
    while (!at_end()) {
      const char c = peek();
      if (c == '\n') {
        ++position_;
        new_line();
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++position_;
      } else {
        return;
      }
    }
  }

  bool fail(std::string message, std::string suggestion = {}, std::string code = "syntax/json") {
    problem_->code = std::move(code);
    problem_->where.line = line_;
    problem_->where.column = column();
    problem_->message = std::move(message);
    problem_->suggestion = std::move(suggestion);
    if (rest().starts_with("//") || rest().starts_with("/*")) {
      problem_->message = "JSON has no comments";
      problem_->suggestion = "remove it, or write YAML, where `#` begins a comment";
    }
    return false;
  }

  bool too_deep() {
    return fail(fmt::format("nested deeper than {} levels", kMaxDepth), {}, "syntax/too-deep");
  }

  bool read_value(std::size_t depth, Tree* tree) {
    skip_space();
    if (at_end()) return fail("the text ends where a value should follow");
    if (++nodes_ > kMaxNodes) {
      return fail(fmt::format("a document of more than {} nodes", kMaxNodes), {}, "syntax/too-large");
    }
    const std::uint32_t line = line_;
    const std::uint32_t column_here = column();
    switch (peek()) {
      case '{':
        if (depth >= kMaxDepth) return too_deep();
        return read_map(depth, line, column_here, tree);
      case '[':
        if (depth >= kMaxDepth) return too_deep();
        return read_list(depth, line, column_here, tree);
      case '"': {
        std::string value;
        if (!read_string(&value)) return false;
        *tree = Tree::string(std::move(value), line, column_here);
        return true;
      }
      case '\'':
        return fail("a single quote begins no JSON string", "use double quotes");
      default:
        break;
    }
    const std::size_t begin = position_;
    while (!at_end() && !std::string_view(" \t\r\n,]}:\"").contains(peek())) ++position_;
    const std::string_view word = text_.substr(begin, position_ - begin);
    if (word == "true" || word == "false") {
      *tree = Tree::boolean(word == "true", line, column_here);
      return true;
    }
    if (word == "null") {
      *tree = Tree::null(line, column_here);
      return true;
    }
    if (is_json_number(word) && parse_number(word, line, column_here, tree)) return true;
    position_ = begin;
    return fail(
        "expected a value: an object, a list, a string in double quotes, a number, true, false or null");
  }

  static bool is_json_number(std::string_view word) {
    std::size_t i = word.starts_with('-') ? 1 : 0;
    if (i == word.size() || !is_digit(word[i])) return false;
    if (word[i] == '0' && i + 1 < word.size() && is_digit(word[i + 1])) return false;
    for (const char c : word.substr(i)) {
      if (!is_digit(c) && !std::string_view("+-.eE").contains(c)) return false;
    }
    return is_digit(word.back());
  }

  bool read_map(std::size_t depth, std::uint32_t line, std::uint32_t column_here, Tree* tree) {
    std::vector<Tree::Member> members;
    std::unordered_set<std::string> keys;
    ++position_;
    for (skip_space(); at_end() || peek() != '}'; skip_space()) {
      if (!members.empty()) {
        if (at_end() || peek() != ',') return fail("expected `,` or `}` in an object");
        ++position_;
        skip_space();
        if (!at_end() && peek() == '}') return fail("a comma before `}`", "remove the comma");
      }
      if (at_end()) return fail("the text ends inside an object", "close it with `}`");
      if (peek() != '"') return fail("expected a key in double quotes", "write it in double quotes");
      Tree::Member member{.key = {}, .line = line_, .column = column(), .value = {}};
      if (!read_string(&member.key)) return false;
      if (!keys.insert(member.key).second) {
        for (const Tree::Member& first : members) {
          if (first.key == member.key) *problem_ = duplicate_key(first, member.line, member.column);
        }
        return false;
      }
      skip_space();
      if (at_end() || peek() != ':') return fail("expected `:` after a key");
      ++position_;
      if (!read_value(depth + 1, &member.value)) return false;
      members.push_back(std::move(member));
    }
    ++position_;
    *tree = Tree::map(std::move(members), line, column_here);
    return true;
  }

  bool read_list(std::size_t depth, std::uint32_t line, std::uint32_t column_here, Tree* tree) {
    std::vector<Tree> items;
    ++position_;
    for (skip_space(); at_end() || peek() != ']'; skip_space()) {
      if (!items.empty()) {
        if (at_end() || peek() != ',') return fail("expected `,` or `]` in a list");
        ++position_;
        skip_space();
        if (!at_end() && peek() == ']') return fail("a comma before `]`", "remove the comma");
      }
      if (at_end()) return fail("the text ends inside a list", "close it with `]`");
      Tree item;
      if (!read_value(depth + 1, &item)) return false;
      items.push_back(std::move(item));
    }
    ++position_;
    *tree = Tree::list(std::move(items), line, column_here);
    return true;
  }

  bool read_string(std::string* out) {
    const std::size_t begin = position_++;
    const auto unclosed = [&] {
      position_ = begin;
      return fail("a string without its closing quote", "close it with `\"`");
    };
    for (;;) {
      if (at_end()) return unclosed();
      const char c = text_[position_];
      if (c == '\n') return unclosed();
      if (c == '"') {
        ++position_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return fail("a control character inside a string", "write it as an escape, \\t for a tab");
      }
      if (c != '\\') {
        out->push_back(c);
        ++position_;
        continue;
      }
      if (position_ + 1 == text_.size()) return unclosed();
      const char escape = text_[position_ + 1];
      constexpr std::string_view kEscapes = "\"\\/bfnrt";
      constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
      if (const std::size_t i = kEscapes.find(escape); i != std::string_view::npos) {
        out->push_back(kMeanings[i]);
        position_ += 2;
        continue;
      }
      std::uint32_t code = 0;
      if (escape != 'u' || !read_hex(position_ + 2, &code)) return fail("an unknown escape in a string");
      if (code >= 0xD800 && code < 0xE000) {
        std::uint32_t low = 0;
        if (code >= 0xDC00 || text_.substr(position_ + 6, 2) != "\\u" || !read_hex(position_ + 8, &low) ||
            low < 0xDC00 || low >= 0xE000) {
          return fail("half of a surrogate pair in a string");
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        position_ += 6;
      }
      position_ += 6;
      append_utf8(code, out);
    }
  }

  bool read_hex(std::size_t at, std::uint32_t* code) const {
    if (at + 4 > text_.size()) return false;
    const auto [end, error] = std::from_chars(text_.data() + at, text_.data() + at + 4, *code, 16);
    return error == std::errc() && end == text_.data() + at + 4;
  }

  std::string_view text_;
  Problem* problem_;
  std::size_t position_ = 0;
  std::size_t nodes_ = 0;
  std::uint32_t line_ = 1;
  std::uint32_t column_ = 1;  // of counted_
  std::size_t counted_ = 0;
};

}  // namespace

void append_utf8(std::uint32_t code, std::string* out) {
  const auto push = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | (code >> 6));
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | (code >> 12));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | (code >> 18));
    push(0x80 | ((code >> 12) & 0x3F));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

bool parse_json(std::string_view text, std::vector<Document>* documents, Problem* problem) {
  return JsonReader(text, problem).read_all(documents);
}

bool parse_number(std::string_view text, std::uint32_t line, std::uint32_t column, Tree* tree) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty()) return false;
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF") {
    const double infinity = std::numeric_limits<double>::infinity();
    *tree = Tree::number(negative ? -infinity : infinity, line, column);
    return true;
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    *tree = Tree::number(std::numeric_limits<double>::quiet_NaN(), line, column);
    return true;
  }
  if (!is_digit(digits[0]) && !(digits[0] == '.' && digits.size() > 1 && is_digit(digits[1]))) return false;

  int base = 10;
  std::string_view significant = digits;
  if (digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b")) {
    base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
    significant.remove_prefix(2);
  } else if (digits.size() > 1 && digits[0] == '0' &&
             digits.find_first_not_of("01234567") == std::string_view::npos) {
    base = 8;
  }
  std::uint64_t magnitude = 0;
  const char* const end = significant.data() + significant.size();
  const auto [stop, error] = std::from_chars(significant.data(), end, magnitude, base);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (stop == end && error == std::errc() && magnitude <= kMax + (negative ? 1 : 0)) {
    *tree = Tree::integer(static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude), line, column);
    return true;
  }
  if (base != 10) return false;
  double value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [float_stop, float_error] = std::from_chars(digits.data(), last, value);
  if (float_stop != last) return false;
  if (float_error == std::errc::result_out_of_range) {
    // Too large, or next to zero, which is zero.
    value = std::strtod(std::string(digits).c_str(), nullptr);
    if (std::isinf(value)) return false;
  }
  *tree = Tree::number(negative ? -value : value, line, column);
  return true;
}

Problem duplicate_key(const Tree::Member& first, std::uint32_t line, std::uint32_t column) {
  Problem problem;
  problem.code = "syntax/duplicate-key";
  problem.where.line = line;
  problem.where.column = column;
  problem.message = fmt::format("duplicate key {}: it stands first on line {}, column {}", quote(first.key),
                                first.line, first.column);
  problem.suggestion = "keep one of the two";
  return problem;
}

}  // namespace sluice::tree_internal

namespace sluice {

std::vector<Document> parse_json(std::string_view text, std::string_view file,
                                 std::vector<Problem>* problems) {
  std::vector<Document> documents;
  std::optional<Problem> problem = tree_internal::find_bad_character(text);
  if (!problem) {
    Problem found;
    if (tree_internal::parse_json(text, &documents, &found)) return documents;
    problem = std::move(found);
  }
  problem->where.file = file;
  problems->push_back(*std::move(problem));
  return documents;
}

}  // namespace sluice

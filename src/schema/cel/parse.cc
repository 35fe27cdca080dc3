#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

#include "schema/cel/cel.h"
#include "schema/cel/node.h"
#include "schema/cel/syntax.h"

namespace sluice::schema::cel {

namespace {

using Op = Node::Op;
using NodePtr = std::unique_ptr<Node>;

// Of brackets within brackets, and of the tree that comes out: `a + b + c` is as deep as it is long.
constexpr int kMaxNesting = 50;
constexpr int kMaxDepth = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void append_utf8(std::uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else if (code < 0x800) {
    *out += static_cast<char>(0xC0 | (code >> 6));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out += static_cast<char>(0xE0 | (code >> 12));
    *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | (code >> 18));
    *out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// Fields whose names are no identifiers, or words of CEL, are written with underscores: `__namespace__`.
std::string field_name(std::string_view written) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kMarks{
      {{"__underscores__", "__"}, {"__dot__", "."}, {"__dash__", "-"}, {"__slash__", "/"}}};
  static constexpr std::string_view kWords[] = {
      "true",     "false",   "null",      "in",       "as",  "break",  "const",
      "continue", "else",    "for",       "function", "if",  "import", "let",
      "loop",     "package", "namespace", "return",   "var", "void",   "while"};
  for (const std::string_view word : kWords) {
    if (written.size() == word.size() + 4 && written.starts_with("__") && written.ends_with("__") &&
        written.substr(2, word.size()) == word) {
      return std::string(word);
    }
  }
  std::string name;
  while (!written.empty()) {
    const auto mark =
        std::ranges::find_if(kMarks, [written](const auto& one) { return written.starts_with(one.first); });
    if (mark != kMarks.end()) {
      name += mark->second;
      written.remove_prefix(mark->first.size());
    } else {
      name += written.front();
      written.remove_prefix(1);
    }
  }
  return name;
}

struct Macro {
  std::string_view name;
  Op op;
  std::size_t min_args;  // the variable included
  std::size_t max_args;
};
constexpr Macro kMacros[] = {{"all", Op::kAll, 2, 2},
                             {"exists", Op::kExists, 2, 2},
                             {"exists_one", Op::kExistsOne, 2, 2},
                             {"existsOne", Op::kExistsOne, 2, 2},
                             {"filter", Op::kFilter, 2, 2},
                             {"map", Op::kTransform, 2, 3}};

struct Operator {
  std::string_view text;
  Op op;
};

// A recursive descent without exceptions: after the first error nothing more is consumed, and every node that
// is still made is thrown away.
class Parser {
 public:
  // `any_names`: those that nobody here knows are names too, and functions.
  explicit Parser(std::string_view text, bool any_names = false) : text_(text), any_names_(any_names) {}

  std::expected<NodePtr, std::string> run() {
    if (text_.size() > kMaxText) return std::unexpected("the expression is too long");
    NodePtr root = expression();
    skip_blanks();
    if (error_.empty() && position_ < text_.size()) fail("unexpected text");
    if (!error_.empty()) return std::unexpected(error_);
    return root;
  }

  bool names_old_self() const { return names_old_self_; }

 private:
  NodePtr fail(std::string_view what) {
    if (error_.empty()) error_ = fmt::format("{} at column {}", what, position_ + 1);
    position_ = text_.size();
    return std::make_unique<Node>();
  }
  bool has_failed() const { return !error_.empty(); }

  void skip_blanks() {
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        ++position_;
      } else if (text_.substr(position_).starts_with("//")) {
        position_ = std::min(text_.find('\n', position_), text_.size());
      } else {
        return;
      }
    }
  }

  bool take(std::string_view token) {
    skip_blanks();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  void expect(std::string_view token) {
    if (!take(token)) fail(fmt::format("expected `{}`", token));
  }

  // A name, or nothing.
  std::string_view word() {
    skip_blanks();
    std::size_t end = position_;
    if (end < text_.size() && is_letter(text_[end])) {
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    }
    const std::string_view result = text_.substr(position_, end - position_);
    position_ = end;
    return result;
  }

  NodePtr make(Op op, std::vector<NodePtr> args) {
    auto node = std::make_unique<Node>();
    node->op = op;
    for (const NodePtr& arg : args) node->depth = std::max(node->depth, arg->depth + 1);
    node->args = std::move(args);
    if (node->depth > kMaxDepth) return fail("the expression is too deep");
    return node;
  }
  NodePtr make(Op op, NodePtr first) {
    std::vector<NodePtr> args;
    args.push_back(std::move(first));
    return make(op, std::move(args));
  }
  NodePtr make(Op op, NodePtr first, NodePtr second) {
    std::vector<NodePtr> args;
    args.push_back(std::move(first));
    args.push_back(std::move(second));
    return make(op, std::move(args));
  }

  static NodePtr constant(Datum datum) {
    auto node = std::make_unique<Node>();
    node->constant = datum;
    return node;
  }
  static NodePtr constant_text(std::string text, Datum::Kind kind) {
    auto node = std::make_unique<Node>();
    node->text = std::move(text);
    node->constant = Datum::of_text(node->text, kind);
    return node;
  }

  // ---- operators, from the loosest ----

  NodePtr expression() {
    if (++nesting_ > kMaxNesting) {
      --nesting_;
      return fail("the expression is too deep");
    }
    NodePtr condition = disjunction();
    if (!has_failed() && take("?")) {
      std::vector<NodePtr> args;
      args.push_back(std::move(condition));
      args.push_back(disjunction());
      expect(":");
      args.push_back(expression());
      condition = make(Op::kConditional, std::move(args));
    }
    --nesting_;
    return condition;
  }

  NodePtr disjunction() {
    NodePtr left = conjunction();
    while (!has_failed() && take("||")) left = make(Op::kOr, std::move(left), conjunction());
    return left;
  }

  NodePtr conjunction() {
    NodePtr left = relation();
    while (!has_failed() && take("&&")) left = make(Op::kAnd, std::move(left), relation());
    return left;
  }

  NodePtr relation() {
    static constexpr Operator kOperators[] = {{"<=", Op::kLessOrEqual}, {">=", Op::kGreaterOrEqual},
                                              {"==", Op::kEqual},       {"!=", Op::kUnequal},
                                              {"<", Op::kLess},         {">", Op::kGreater}};
    NodePtr left = sum();
    while (!has_failed()) {
      const std::size_t before = position_;
      if (word() == "in") {
        left = make(Op::kIn, std::move(left), sum());
        continue;
      }
      position_ = before;
      const auto* const found =
          std::ranges::find_if(kOperators, [this](const Operator& one) { return take(one.text); });
      if (found == std::end(kOperators)) return left;
      left = make(found->op, std::move(left), sum());
    }
    return left;
  }

  NodePtr sum() {
    NodePtr left = product();
    while (!has_failed()) {
      if (take("+")) {
        left = make(Op::kAdd, std::move(left), product());
      } else if (take("-")) {
        left = make(Op::kSubtract, std::move(left), product());
      } else {
        break;
      }
    }
    return left;
  }

  NodePtr product() {
    static constexpr Operator kOperators[] = {
        {"*", Op::kMultiply}, {"/", Op::kDivide}, {"%", Op::kRemainder}};
    NodePtr left = unary();
    while (!has_failed()) {
      const auto* const found =
          std::ranges::find_if(kOperators, [this](const Operator& one) { return take(one.text); });
      if (found == std::end(kOperators)) return left;
      left = make(found->op, std::move(left), unary());
    }
    return left;
  }

  NodePtr unary() {
    std::vector<Op> signs;
    for (;;) {
      skip_blanks();
      const char c = peek();
      if (c == '!' && peek(1) != '=') {
        signs.push_back(Op::kNot);
      } else if (c == '-' && !is_digit(peek(1))) {
        signs.push_back(Op::kNegate);
      } else {
        break;
      }
      ++position_;
    }
    NodePtr node = member();
    for (; !signs.empty() && !has_failed(); signs.pop_back()) node = make(signs.back(), std::move(node));
    return node;
  }

  char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }

  // ---- what binds closest ----

  NodePtr member() {
    NodePtr node = primary();
    while (!has_failed()) {
      if (take(".")) {
        const std::string_view name = word();
        if (name.empty()) return fail("expected a name");
        if (take("(")) {
          node = method(name, std::move(node));
        } else {
          node = make(Op::kSelect, std::move(node));
          node->text = field_name(name);
        }
      } else if (take("[")) {
        node = make(Op::kIndex, std::move(node), expression());
        expect("]");
      } else {
        break;
      }
    }
    return node;
  }

  NodePtr method(std::string_view name, NodePtr receiver) {
    for (const Macro& macro : kMacros) {
      if (macro.name == name) return loop(macro, std::move(receiver));
    }
    std::vector<NodePtr> args;
    args.push_back(std::move(receiver));
    arguments(")", &args);
    return call(name, true, std::move(args));
  }

  NodePtr loop(const Macro& macro, NodePtr list) {
    std::vector<NodePtr> args;
    args.push_back(std::move(list));
    const std::string_view variable = word();
    if (variable.empty()) return fail(fmt::format("expected the variable of `{}`", macro.name));
    if (variables_.size() == kMaxVariables) return fail("too many variables");
    const std::size_t slot = variables_.size();
    variables_.emplace_back(variable);
    while (!has_failed() && take(",")) args.push_back(expression());
    variables_.pop_back();
    expect(")");
    if (args.size() < macro.min_args || args.size() > macro.max_args)
      return fail(fmt::format("wrong number of arguments of `{}`", macro.name));
    NodePtr node = make(macro.op, std::move(args));
    node->slot = slot;
    return node;
  }

  void arguments(std::string_view close, std::vector<NodePtr>* args) {
    if (take(close)) return;
    do {
      args->push_back(expression());
    } while (!has_failed() && take(","));
    expect(close);
  }

  NodePtr call(std::string_view name, bool is_method, std::vector<NodePtr> args) {
    if (has_failed()) return std::make_unique<Node>();
    const Function* const function = find_function(name, is_method, args.size());
    if (function == nullptr) {
      if (any_names_) return constant({});
      return fail(is_function(name) ? fmt::format("`{}` is called with other arguments", name)
                                    : fmt::format("no function `{}`", name));
    }
    NodePtr node = make(Op::kCall, std::move(args));
    node->function = function;
    if (name == "matches" && !has_failed() && node->args[1]->op == Op::kConstant &&
        node->args[1]->constant.is(Datum::Kind::kString)) {
      node->regex = compile(node->args[1]->text);
      if (!node->regex->ok()) return fail(fmt::format("bad regular expression ({})", node->regex->error()));
    }
    return node;
  }

  NodePtr primary() {
    skip_blanks();
    if (has_failed()) return std::make_unique<Node>();
    const char c = peek();
    if (c == '(') {
      ++position_;
      NodePtr node = expression();
      expect(")");
      return node;
    }
    if (c == '[' || c == '{') return literal_container();
    if (is_digit(c) || c == '-' || (c == '.' && is_digit(peek(1)))) return number();
    if (std::optional<NodePtr> text = quoted()) return *std::move(text);
    const std::string_view name = word();
    if (name.empty()) return fail(position_ == text_.size() ? "unexpected end" : "unexpected character");
    if (name == "true" || name == "false") return constant(Datum::of(name == "true"));
    if (name == "null") return constant({});
    if (take("(")) return global(name);
    if (name == "format" && !is_variable(name)) return format();
    for (std::size_t slot = variables_.size(); slot-- > 0;) {
      if (variables_[slot] != name) continue;
      NodePtr node = make(Op::kVariable, std::vector<NodePtr>());
      node->slot = slot;
      return node;
    }
    if (name == "oldSelf") {
      names_old_self_ = true;
      return constant({});
    }
    if (any_names_) return constant({});
    return fail(fmt::format("unknown name `{}`", name));
  }

  bool is_variable(std::string_view name) const {
    return std::ranges::find(variables_, name) != variables_.end();
  }

  NodePtr global(std::string_view name) {
    std::vector<NodePtr> args;
    arguments(")", &args);
    if (name != "has") return call(name, false, std::move(args));
    if (has_failed()) return std::make_unique<Node>();
    if (args.size() != 1 || args[0]->op != Op::kSelect) return fail("has() takes a member, as in has(a.b)");
    args[0]->op = Op::kHas;
    return std::move(args[0]);
  }

  // format.NAME()
  NodePtr format() {
    expect(".");
    const std::string_view name = word();
    expect("(");
    expect(")");
    if (has_failed()) return std::make_unique<Node>();
    const Datum found = format_of(name);
    return found.is_error() ? fail(fmt::format("no format `{}`", name)) : constant(found);
  }

  // A list or a map. What holds constants only is made once.
  NodePtr literal_container() {
    const bool is_list = peek() == '[';
    const std::string_view close = is_list ? "]" : "}";
    ++position_;
    std::vector<NodePtr> args;
    while (!has_failed() && !take(close)) {
      args.push_back(expression());
      if (!is_list) {
        expect(":");
        args.push_back(expression());
      }
      if (!take(",")) {
        expect(close);
        break;
      }
    }
    if (has_failed()) return std::make_unique<Node>();
    NodePtr node = make(is_list ? Op::kList : Op::kMap, std::move(args));
    const bool is_constant =
        std::ranges::all_of(node->args, [](const NodePtr& arg) { return arg->op == Op::kConstant; });
    if (!is_constant || has_failed()) return node;
    for (const NodePtr& arg : node->args) node->items.push_back(arg->constant);
    node->op = Op::kConstant;  // the args stay: they hold the texts
    node->constant = Datum::of_list(&node->items);
    if (!is_list) node->constant.kind = Datum::Kind::kMap;
    return node;
  }

  NodePtr number() {
    const std::size_t start = position_;
    const bool is_negative = peek() == '-';
    if (is_negative) ++position_;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      position_ += 2;
      return integer(is_negative, 16);
    }
    std::size_t end = position_;
    bool is_double = false;
    while (end < text_.size()) {
      const char c = text_[end];
      const bool is_exponent = c == 'e' || c == 'E';
      if (!is_digit(c) && !is_exponent && !(c == '.' && end + 1 < text_.size() && is_digit(text_[end + 1])))
        break;
      is_double = is_double || c == '.' || is_exponent;
      ++end;
      if (is_exponent && end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
    }
    if (!is_double) return integer(is_negative, 10);
    double value = 0;
    const char* const last = text_.data() + end;
    const auto [stop, error] = std::from_chars(text_.data() + start, last, value);
    if (error != std::errc() || stop != last) return fail("bad number");
    position_ = end;
    return constant(Datum::of_double(value));
  }

  NodePtr integer(bool is_negative, int base) {
    std::uint64_t value = 0;
    const char* const first = text_.data() + position_;
    const auto [stop, error] = std::from_chars(first, text_.data() + text_.size(), value, base);
    if (error != std::errc()) return fail("bad number");
    position_ += static_cast<std::size_t>(stop - first);
    constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
    if (peek() == 'u' || peek() == 'U') {
      ++position_;
      return is_negative ? fail("bad number") : constant(Datum::of_uint(value));
    }
    if (value > kLimit || (value == kLimit && !is_negative)) return fail("the number is too large");
    return constant(Datum::of_int(static_cast<std::int64_t>(is_negative ? 0 - value : value)));
  }

  // A string or bytes, or nothing when there is no quote here.
  std::optional<NodePtr> quoted() {
    std::size_t quote = position_;
    bool is_raw = false;
    bool is_bytes = false;
    while (quote < text_.size() && quote < position_ + 2) {
      const char c = static_cast<char>(text_[quote] | 0x20);
      if (c == 'r' && !is_raw) {
        is_raw = true;
      } else if (c == 'b' && !is_bytes) {
        is_bytes = true;
      } else {
        break;
      }
      ++quote;
    }
    if (quote >= text_.size() || (text_[quote] != '"' && text_[quote] != '\'')) return std::nullopt;
    position_ = quote;
    const std::string thrice(3, text_[quote]);
    const std::string_view mark =
        text_.substr(quote).starts_with(thrice) ? text_.substr(quote, 3) : text_.substr(quote, 1);
    position_ += mark.size();
    std::string value;
    while (!text_.substr(position_).starts_with(mark)) {
      if (position_ >= text_.size() || (mark.size() == 1 && text_[position_] == '\n'))
        return fail("the quote is not closed");
      if (text_[position_] == '\\' && !is_raw) {
        if (!escape(is_bytes, &value)) return fail("bad escape");
      } else {
        value += text_[position_++];
      }
    }
    position_ += mark.size();
    return constant_text(std::move(value), is_bytes ? Datum::Kind::kBytes : Datum::Kind::kString);
  }

  // Consumes a backslash and what belongs to it.
  bool escape(bool is_bytes, std::string* value) {
    static constexpr std::pair<char, char> kShort[] = {{'a', '\a'}, {'b', '\b'},  {'f', '\f'}, {'n', '\n'},
                                                       {'r', '\r'}, {'t', '\t'},  {'v', '\v'}, {'\\', '\\'},
                                                       {'?', '?'},  {'\'', '\''}, {'"', '"'},  {'`', '`'}};
    const char c = peek(1);
    position_ += 2;
    for (const auto& [letter, meaning] : kShort) {
      if (letter == c) {
        *value += meaning;
        return true;
      }
    }
    const bool is_octal = c >= '0' && c <= '3';
    const int digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : is_octal ? 3 : 0;
    if (digits == 0) return false;
    if (is_octal) --position_;
    std::uint32_t code = 0;
    for (int i = 0; i < digits; ++i) {
      const int digit = hex_value(peek());
      if (digit < 0 || (is_octal && digit > 7)) return false;
      code = code * (is_octal ? 8 : 16) + static_cast<std::uint32_t>(digit);
      ++position_;
    }
    if (is_bytes && digits <= 3) {
      *value += static_cast<char>(code);
      return true;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    append_utf8(code, value);
    return true;
  }

  const std::string_view text_;
  const bool any_names_;
  std::size_t position_ = 0;
  int nesting_ = 0;
  std::string error_;
  std::vector<std::string_view> variables_{"self"};
  bool names_old_self_ = false;
};

}  // namespace

std::expected<Program, std::string> Program::parse(std::string_view text) {
  Parser parser(text);
  std::expected<NodePtr, std::string> root = parser.run();
  if (!root) return std::unexpected(std::move(root.error()));
  Program program;
  program.root_ = *std::move(root);
  program.is_transition_ = parser.names_old_self();
  return program;
}

std::expected<void, std::string> check_syntax(std::string_view text) {
  auto root = Parser(text, true).run();
  if (!root) return std::unexpected(std::move(root.error()));
  return {};
}

std::shared_ptr<const Program> Program::of(const std::string& text) {
  static std::mutex mutex;
  static auto* const parsed = new std::map<std::string, std::shared_ptr<const Program>>();
  const std::lock_guard lock(mutex);
  std::shared_ptr<const Program>& entry = (*parsed)[text];
  if (entry == nullptr) {
    std::expected<Program, std::string> program = parse(text);
    if (!program) {
      std::fprintf(stderr, "schema: bad rule %s: %s\n", text.c_str(), program.error().c_str());
      std::abort();
    }
    entry = std::make_shared<const Program>(*std::move(program));
  }
  return entry;
}

}  // namespace sluice::schema::cel

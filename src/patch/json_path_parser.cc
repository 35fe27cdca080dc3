#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quote.h"
#include "patch/json_path_query.h"

namespace sluice::patch {
namespace {

using nlohmann::json;

constexpr std::size_t kLongest = 4'096;
constexpr int kDeepest = 32;                    // parentheses and filters in filters
constexpr std::int64_t kRegexMemory = 1 << 20;  // of a compiled one

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Recursive descent. What is wrong ends it: `failure_` is set, and everything returns at once.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<JsonPath::Query> parse() {
    if (text_.size() > kLongest) fail("it is too long");
    JsonPath::Query query = whole();
    skip_blanks();
    if (!failure_ && at_ < text_.size()) fail("there is something that no expression goes on with");
    if (failure_) return std::unexpected(*std::move(failure_));
    return query;
  }

 private:
  JsonPath::Query whole() {
    JsonPath::Query query;
    skip_blanks();
    if (!take('$') && !take('@') && in_name(peek())) query.steps.push_back(named(false));
    steps(query);
    if (query.steps.empty() && text_ != "$") fail("there is nothing to find");
    query.text = text_;
    return query;
  }

  void steps(JsonPath::Query& query) {
    while (!failure_ && (peek() == '.' || peek() == '[')) {
      const bool descends = text_.substr(at_).starts_with("..");
      if (descends) at_ += 2;
      if (peek() == '[') {
        query.steps.push_back(bracketed(descends));
      } else {
        if (!descends) take('.');
        query.steps.push_back(named(descends));
      }
    }
  }

  Step named(bool descends) {
    Step step{.descends = descends, .selectors = {}};
    if (take('*')) {
      step.selectors.emplace_back(Everything());
    } else {
      std::string name = word();
      if (name.empty()) fail("a name is missing");
      step.selectors.emplace_back(std::move(name));
    }
    step.end = at_;
    return step;
  }

  Step bracketed(bool descends) {
    const std::size_t open = at_;
    take('[');
    Step step{.descends = descends, .selectors = {}};
    do {
      skip_blanks();
      step.selectors.push_back(selector());
      skip_blanks();
    } while (!failure_ && take(','));
    if (!take(']')) fail(fmt::format("the `[` at column {} is not closed", open + 1));
    step.end = at_;
    return step;
  }

  Selector selector() {
    if (take('*')) return Everything();
    if (take('?')) return std::make_shared<const Condition>(either());
    if (peek() == '\'' || peek() == '"') return quoted();
    const std::optional<std::int64_t> first = integer();
    skip_blanks();
    if (!take(':')) {
      if (!first) fail("an index, a quoted name, `*` or a filter is missing");
      return first.value_or(0);
    }
    Slice slice{.begin = first, .end = {}};
    skip_blanks();
    slice.end = integer();
    skip_blanks();
    if (take(':')) {
      skip_blanks();
      slice.step = integer().value_or(1);
    }
    return slice;
  }

  // ---- filters

  Condition either() { return joined(Condition::Kind::kOr, "||", &Parser::both); }
  Condition both() { return joined(Condition::Kind::kAnd, "&&", &Parser::single); }

  Condition joined(Condition::Kind kind, std::string_view sign, Condition (Parser::*part)()) {
    Condition all{.kind = kind, .parts = {}, .left = {}, .right = {}, .regex = nullptr};
    if (++depth_ > kDeepest) fail("it is too deep");
    do {
      if (failure_) break;
      all.parts.push_back((this->*part)());
      skip_blanks();
    } while (take(sign));
    --depth_;
    if (all.parts.size() == 1) return std::move(all.parts.front());
    return all;
  }

  Condition single() {
    skip_blanks();
    if (take('!')) {
      if (++depth_ > kDeepest) fail("it is too deep");
      Condition none{.kind = Condition::Kind::kNot, .parts = {}, .left = {}, .right = {}, .regex = nullptr};
      if (!failure_) none.parts.push_back(single());
      --depth_;
      return none;
    }
    if (take('(')) {
      Condition inner = either();
      skip_blanks();
      if (!take(')')) fail("a `(` is not closed");
      return inner;
    }
    for (const auto& [name, all] : {std::pair{"match", true}, {"search", false}}) {
      if (take(fmt::format("{}(", name))) return function(all);
    }
    return comparison();
  }

  // match(@.name, 'regex') behind its parenthesis.
  Condition function(bool whole) {
    Condition condition{.kind = Condition::Kind::kRegex,
                        .parts = {},
                        .left = operand(),
                        .right = {},
                        .regex = nullptr,
                        .whole = whole};
    skip_blanks();
    if (!take(',')) fail("a `,` and a regular expression are missing");
    skip_blanks();
    if (peek() != '\'' && peek() != '"') fail("the regular expression has to be in quotes");
    condition.regex = compiled(quoted());
    skip_blanks();
    if (!take(')')) fail("a `(` is not closed");
    return condition;
  }

  Condition comparison() {
    using Comparison = Condition::Comparison;
    constexpr std::pair<std::string_view, Comparison> kSigns[] = {
        {"==", Comparison::kEqual}, {"!=", Comparison::kNotEqual},     {"<=", Comparison::kLessEqual},
        {"<", Comparison::kLess},   {">=", Comparison::kGreaterEqual}, {">", Comparison::kGreater}};
    Condition condition{
        .kind = Condition::Kind::kExists, .parts = {}, .left = operand(), .right = {}, .regex = nullptr};
    skip_blanks();
    if (take("=~")) {
      skip_blanks();
      condition.kind = Condition::Kind::kRegex;
      condition.regex = compiled(peek() == '/' ? between_slashes() : quoted());
      return condition;
    }
    for (const auto& [sign, comparison] : kSigns) {
      if (!take(sign)) continue;
      condition.kind = Condition::Kind::kCompare;
      condition.comparison = comparison;
      condition.right = operand();
      return condition;
    }
    if (std::holds_alternative<json>(condition.left.what) || condition.left.of != Operand::Of::kValues) {
      fail("a comparison is missing");
    }
    return condition;
  }

  Operand operand() {
    skip_blanks();
    for (const auto& [name, of] :
         {std::pair{"length(", Operand::Of::kLength}, {"count(", Operand::Of::kCount}}) {
      if (!take(name)) continue;
      if (++depth_ > kDeepest) fail("it is too deep");
      Operand inner;
      if (!failure_) inner = operand();
      --depth_;
      inner.of = of;
      skip_blanks();
      if (!take(')')) fail("a `(` is not closed");
      return inner;
    }
    if (peek() == '@' || peek() == '$') {
      JsonPath::Query query;
      query.from_root = text_[at_++] == '$';
      if (++depth_ > kDeepest) fail("it is too deep");
      steps(query);
      --depth_;
      return {.what = std::move(query)};
    }
    return {.what = literal()};
  }

  json literal() {
    if (peek() == '\'' || peek() == '"') return quoted();
    const std::size_t begin = at_;
    while (in_name(peek()) || peek() == '.' || peek() == '+') ++at_;
    json value = json::parse(text_.substr(begin, at_ - begin), nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) {
      at_ = begin;
      fail("`@`, a quoted string, a number, `true`, `false` or `null` is missing");
    }
    return value;
  }

  std::shared_ptr<const re2::RE2> compiled(const std::string& regex) {
    if (failure_) return nullptr;
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(kRegexMemory);
    auto made = std::make_shared<const re2::RE2>(regex, options);
    if (!made->ok()) fail(fmt::format("{} is no regular expression: {}", quote(regex), made->error()));
    return made;
  }

  // ---- words

  std::string quoted() {
    const char mark = peek();
    if (mark != '\'' && mark != '"') {
      fail("a quoted string is missing");
      return {};
    }
    ++at_;
    return up_to(mark);
  }
  std::string between_slashes() {
    ++at_;
    std::string regex;
    while (at_ < text_.size() && text_[at_] != '/') {
      if (text_.substr(at_).starts_with("\\/")) ++at_;
      regex += text_[at_++];
    }
    if (!take('/')) fail("a `/` is not closed");
    return regex;
  }
  // A backslash takes the next character as it is.
  std::string up_to(char mark) {
    std::string value;
    while (at_ < text_.size() && text_[at_] != mark) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() &&
          (text_[at_ + 1] == mark || text_[at_ + 1] == '\\')) {
        ++at_;
      }
      value += text_[at_++];
    }
    if (!take(mark)) fail("a quote is not closed");
    return value;
  }

  std::string word() {
    const std::size_t begin = at_;
    while (in_name(peek())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::optional<std::int64_t> integer() {
    std::int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail("an index is too large");
    if (error != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  // '\0' at the end, and everywhere once something is wrong.
  char peek() const { return at_ < text_.size() && !failure_ ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (failure_ || !text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n') ++at_;
  }

  void fail(std::string why) {
    if (failure_) return;
    failure_ = Failure{.field = "jsonPath",
                       .message = fmt::format("{} is no JSONPath: at column {}, {}", quote(text_),
                                              std::min(at_, text_.size()) + 1, why),
                       .suggestion = {}};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace

Result<JsonPath::Query> parse_query(std::string_view text) { return Parser(text).parse(); }

}  // namespace sluice::patch

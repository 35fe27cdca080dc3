#include "lua/dialect.h"

#include <algorithm>
#include <iterator>

namespace sluice::lua {
namespace {

constexpr std::string_view kNamesAndNumbers =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
constexpr std::string_view kBlanks = " \t\v\f\r\n";
constexpr std::string_view kLineEnds = "\r\n";
// Behind these, and behind a `;`, a statement begins.
constexpr std::string_view kOpeners[] = {"", ";", "do", "then", "else", "repeat"};

// Behind the long bracket `[[…]]` or `[==[…]==]` at `at`; `at` where there is none.
std::size_t long_bracket_end(std::string_view source, std::size_t at) {
  if (source.substr(at, 1) != "[") return at;
  const std::size_t open = std::min(source.find_first_not_of('=', at + 1), source.size());
  if (source.substr(open, 1) != "[") return at;
  const std::string close = "]" + std::string(open - at - 1, '=') + "]";
  const std::size_t end = source.find(close, open + 1);
  return end == std::string_view::npos ? source.size() : end + close.size();
}

std::size_t quoted_end(std::string_view source, std::size_t at) {
  const char quote = source[at];
  for (std::size_t i = at + 1; i < source.size(); ++i) {
    if (source.substr(i, 2) == "\\z") {  // and the blanks behind it, lines included
      i = std::min(source.find_first_not_of(kBlanks, i + 2), source.size()) - 1;
    } else if (source[i] == '\\') {
      ++i;
    } else if (source[i] == quote || kLineEnds.contains(source[i])) {
      return i + 1;
    }
  }
  return source.size();
}

// Behind the blanks and comments at `at`.
std::size_t skip(std::string_view source, std::size_t at) {
  for (;;) {
    at = std::min(source.find_first_not_of(kBlanks, at), source.size());
    if (source.substr(at, 2) != "--") return at;
    const std::size_t bracket = long_bracket_end(source, at + 2);
    at = bracket != at + 2 ? bracket : std::min(source.find_first_of(kLineEnds, at), source.size());
  }
}

// Behind the name, number, text or single letter at `at`.
std::size_t token_end(std::string_view source, std::size_t at) {
  const char c = source[at];
  if (kNamesAndNumbers.contains(c))
    return std::min(source.find_first_not_of(kNamesAndNumbers, at), source.size());
  if (c == '"' || c == '\'') return quoted_end(source, at);
  return std::max(long_bracket_end(source, at), at + 1);
}

// Whether a line ends between the token that ends at `before` and the one at `at`.
bool begins_line(std::string_view source, std::size_t before, std::size_t at) {
  return before > 0 && source.substr(before, at - before).find_first_of(kLineEnds) != std::string_view::npos;
}

}  // namespace

std::string to_lua51(std::string_view source) {
  std::string result(source);
  std::string_view before;  // the last token
  std::size_t before_end = 0;
  for (std::size_t at = skip(source, 0); at < source.size();) {
    const std::size_t end = token_end(source, at);
    std::string_view token = source.substr(at, end - at);
    if (token == ";" && std::ranges::find(kOpeners, before) != std::end(kOpeners)) {
      result[at] = ' ';
      token = before;
    } else if (token == "(" && begins_line(source, before_end, at) && kBlanks.contains(result[before_end])) {
      // The blank behind the last token, which may end its line, changes places with the parenthesis.
      std::swap(result[at], result[before_end]);
    }
    before = token;
    before_end = end;
    at = skip(source, end);
  }
  return result;
}

}  // namespace sluice::lua

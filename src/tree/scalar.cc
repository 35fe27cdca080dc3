#include "tree/scalar.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tree/json.h"

namespace sluice::tree_internal {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// The size of the line break that stands at a place of the text, or 0.
std::size_t break_at(std::string_view text, std::size_t at) {
  if (text.substr(at).starts_with('\n')) return 1;
  return text.substr(at).starts_with("\r\n") ? 2 : 0;
}

// Goes on over blanks and line breaks, and counts the latter.
std::size_t skip_breaks(std::string_view text, std::size_t* at) {
  std::size_t breaks = 0;
  while (*at < text.size()) {
    const std::size_t size = is_blank(text[*at]) ? 1 : break_at(text, *at);
    if (size == 0) break;
    if (!is_blank(text[*at])) ++breaks;
    *at += size;
  }
  return breaks;
}

// A line break in quotes is a space, several are all but one of them; blanks around them are nothing.
std::string folded(std::size_t breaks) { return breaks == 1 ? " " : std::string(breaks - 1, '\n'); }

// Blanks and line breaks in quotes. Blanks alone are what they are.
void read_blanks(std::string_view text, std::size_t* at, std::string* value) {
  std::size_t end = *at;
  const std::size_t breaks = skip_breaks(text, &end);
  *value += breaks == 0 ? std::string(text.substr(*at, end - *at)) : folded(breaks);
  *at = end;
}

std::uint32_t hex(std::string_view digits) {
  std::uint32_t code = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  return code;
}

// The escape at the place, a backslash.
void read_escape(std::string_view text, std::size_t* at, std::string* value) {
  constexpr std::string_view kShort = "0abtnvfre \"/\\\tN_LP";
  static constexpr std::string_view kMeanings[] = {std::string_view("\0", 1),
                                                   "\a",
                                                   "\b",
                                                   "\t",
                                                   "\n",
                                                   "\v",
                                                   "\f",
                                                   "\r",
                                                   "\x1B",
                                                   " ",
                                                   "\"",
                                                   "/",
                                                   "\\",
                                                   "\t",
                                                   "\xC2\x85",
                                                   "\xC2\xA0",
                                                   "\xE2\x80\xA8",
                                                   "\xE2\x80\xA9"};
  const char letter = *at + 1 < text.size() ? text[*at + 1] : '\0';
  *at = std::min(*at + 2, text.size());
  if (const std::size_t i = kShort.find(letter); i != std::string_view::npos) {
    *value += kMeanings[i];
    return;
  }
  const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
  std::uint32_t code = hex(text.substr(*at, digits));
  *at = std::min(*at + digits, text.size());
  // Two halves, as in JSON.
  if (code >= 0xD800 && code < 0xDC00 && text.substr(*at).starts_with("\\u")) {
    const std::uint32_t low = hex(text.substr(std::min(*at + 2, text.size()), 4));
    code = 0x10000 + ((code - 0xD800) << 10) + ((low - 0xDC00) & 0x3FF);
    *at = std::min(*at + 6, text.size());
  }
  append_utf8(code, value);
}

struct Header {
  bool folds = false;
  char chomping = ' ';
  std::size_t indentation = 0;  // 0: that of the first line
};

Header read_header(std::string_view text) {
  Header header;
  header.folds = text.starts_with('>');
  for (const char c : text.substr(1)) {
    if (c == '-' || c == '+') {
      header.chomping = c;
    } else if (c >= '1' && c <= '9') {
      header.indentation = static_cast<std::size_t>(c - '0');
    } else {
      break;
    }
  }
  return header;
}

std::size_t indentation_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

// The lines of a block, with their indentation.
struct Lines {
  std::vector<std::string_view> all;
  bool ended = true;  // the last of them has a line break
};

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.ended = end < text.size();
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.all.push_back(line);
    text.remove_prefix(lines.ended ? end + 1 : end);
  }
  return lines;
}

// Lines of text are joined by a space, or by as many line breaks as there are empty lines between them.
// Around one that begins with a blank all breaks stay.
std::string fold(const std::vector<std::string_view>& lines) {
  std::string value;
  bool first = true;
  bool was_spaced = false;
  std::size_t empty = 0;
  for (const std::string_view line : lines) {
    if (line.empty()) {
      ++empty;
      continue;
    }
    const bool spaced = is_blank(line.front());
    if (first) {
      value.append(empty, '\n');
    } else if (spaced || was_spaced) {
      value.append(empty + 1, '\n');
    } else {
      value += folded(empty + 1);
    }
    value += line;
    first = false;
    was_spaced = spaced;
    empty = 0;
  }
  return value;
}

}  // namespace

std::string read_single_quoted(std::string_view text) {
  std::string value;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\'') {
      value += '\'';
      at += 2;  // and the second one
    } else if (is_blank(text[at]) || break_at(text, at) != 0) {
      read_blanks(text, &at, &value);
    } else {
      value += text[at++];
    }
  }
  return value;
}

std::string read_double_quoted(std::string_view text) {
  std::string value;
  for (std::size_t at = 0; at < text.size();) {
    if (is_blank(text[at]) || break_at(text, at) != 0) {
      read_blanks(text, &at, &value);
    } else if (text[at] != '\\') {
      value += text[at++];
    } else if (break_at(text, at + 1) != 0) {
      // It is no space, but those that follow it count.
      ++at;
      value.append(skip_breaks(text, &at) - 1, '\n');
    } else {
      read_escape(text, &at, &value);
    }
  }
  return value;
}

std::string read_block(std::string_view header_text, std::string_view text, std::size_t outer) {
  const Header header = read_header(header_text);
  auto [lines, ended] = lines_of(text);
  std::size_t indentation = outer + header.indentation;
  if (header.indentation == 0) {
    const auto first =
        std::ranges::find_if(lines, [](std::string_view line) { return indentation_of(line) < line.size(); });
    indentation = first == lines.end() ? text.size() : indentation_of(*first);
  }
  for (std::string_view& line : lines) line.remove_prefix(std::min(indentation, indentation_of(line)));
  // That is no line, but the indentation of what comes after the block.
  if (!ended && lines.back().empty()) {
    lines.pop_back();
    ended = true;
  }

  std::size_t trailing = 0;
  for (; !lines.empty() && lines.back().empty(); lines.pop_back()) ++trailing;
  if (lines.empty()) return std::string(header.chomping == '+' ? trailing : 0, '\n');
  std::string value = header.folds ? fold(lines) : fmt::format("{}", fmt::join(lines, "\n"));
  if (header.chomping != '-' && ended) value += '\n';
  if (header.chomping == '+') value.append(trailing, '\n');
  return value;
}

}  // namespace sluice::tree_internal

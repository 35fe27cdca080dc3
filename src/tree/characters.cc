#include "tree/characters.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace sluice::tree_internal {

namespace {

// What is wrong with the character that `text` begins with, if it is none that a text may hold.
std::optional<Problem> judge(std::string_view text) {
  Problem problem;
  if (text.front() == '\0') {
    problem.code = "syntax/nul";
    problem.message = "a NUL byte: this is no text";
    return problem;
  }
  if (text.front() == '\r' && !text.starts_with("\r\n")) {
    problem.code = "syntax/line-break";
    problem.message = "a carriage return without a line feed: editors disagree whether a line ends here";
    problem.suggestion = "save the file with Unix line ends";
    return problem;
  }
  if (utf8_size(text) != 0) return std::nullopt;
  problem.code = "syntax/utf8";
  problem.message = fmt::format("byte 0x{:02X} is no UTF-8", static_cast<unsigned char>(text.front()));
  problem.suggestion = "save the file as UTF-8";
  return problem;
}

}  // namespace

std::uint32_t code_points(std::string_view text) {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::optional<Problem> find_bad_character(std::string_view text) {
  std::size_t line_begin = 0;
  std::uint32_t line = 1;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80 && c != '\0' && c != '\r') {
      ++i;
      if (c == '\n') {
        ++line;
        line_begin = i;
      }
      continue;
    }
    std::optional<Problem> problem = judge(text.substr(i));
    if (!problem) {
      i += utf8_size(text.substr(i));
      continue;
    }
    problem->where.line = line;
    problem->where.column = code_points(text.substr(line_begin, i - line_begin)) + 1;
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
      problem->suggestion = "the file looks like UTF-16: save it as UTF-8";
    }
    return problem;
  }
  return std::nullopt;
}

}  // namespace sluice::tree_internal

#include "tree/scalar.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace sluice::tree_internal {
namespace {

// With \r\n for \n, for the value is to be the same.
std::string with_returns(std::string_view text) {
  std::string all;
  for (const char c : text) all += c == '\n' ? "\r\n" : std::string(1, c);
  return all;
}

TEST(Scalar, SingleQuotesFoldLines) {
  struct Case {
    std::string_view text;
    std::string_view value;
  };
  static constexpr Case kCases[] = {
      {"", ""},
      {"it''s", "it's"},
      {"''''''''", "''''"},
      {"a\\n\"", "a\\n\""},
      {" a  b\t", " a  b\t"},
      {"a\nb", "a b"},
      {"a \t\n \t b", "a b"},
      {"a\n\n  \nb", "a\n\nb"},
      {"\n", " "},
      {" ''\n '' ", " ' ' "},
  };
  for (const Case& test : kCases) {
    EXPECT_EQ(read_single_quoted(test.text), test.value) << test.text;
    EXPECT_EQ(read_single_quoted(with_returns(test.text)), test.value) << test.text;
  }
}

TEST(Scalar, DoubleQuotesFoldLinesAndKnowEscapes) {
  struct Case {
    std::string_view text;
    std::string_view value;
  };
  using namespace std::string_view_literals;
  static constexpr Case kCases[] = {
      {"", ""},
      {"a  \n\tb", "a b"},
      {"a\n \n\nb ", "a\n\nb "},
      {"a \\\n  b", "a b"},
      {"a\\\n\n \n  b", "a\n\nb"},
      {"\\ \n  ", "  "},
      {"\\\\\n  b", "\\ b"},
      {"\\\\\\\n  b", "\\b"},
      {"''", "''"},
      {R"(\0\a\b\t\n\v\f\r\e\ \"\/\\\N\_\L\P)",
       "\0\a\b\t\n\v\f\r\x1B \"/\\\xC2\x85\xC2\xA0\xE2\x80\xA8\xE2\x80\xA9"sv},
      {R"(\x41\u00e9\U0001F600\ud83d\ude00.)", "A\xC3\xA9\xF0\x9F\x98\x80\xF0\x9F\x98\x80."},
  };
  for (const Case& test : kCases) {
    EXPECT_EQ(read_double_quoted(test.text), test.value) << test.text;
    EXPECT_EQ(read_double_quoted(with_returns(test.text)), test.value) << test.text;
  }
}

TEST(Scalar, WhatIsCutOffIsSafe) {
  for (const std::string_view text : {"\\", "\\x", "\\u00", "\\U", "\\ud83d\\", "\\ud83d\\u", "'"}) {
    read_double_quoted(text);
    read_single_quoted(text);
  }
}

TEST(Scalar, BlocksKeepLinesOrFoldThem) {
  struct Case {
    std::string_view header;
    std::string_view text;
    std::string_view value;
    std::size_t outer = 0;
  };
  static constexpr Case kCases[] = {
      {"|", "", ""},
      {"|+", "", ""},
      {"|", "  a\n", "a\n"},
      {"|", "  a", "a"},
      {"|-", "  a\n\n", "a"},
      {"|+", "  a\n\n \n", "a\n\n\n"},
      {"|", "  a\n   ", "a\n "},
      {"|", "  a\n ", "a\n"},
      {"|", "\n  \n", ""},
      {"|+", "\n  \n", "\n\n"},
      {"|", "\n  a\n\n    b\n c\n", "\na\n\n  b\nc\n"},
      {"|2 # not | this", "   a\n  b\n", " a\nb\n"},
      {"|1-", "     a\n   b\n", "  a\nb", 2},
      {"|-1", "     a\n   b\n", "  a\nb", 2},
      {"|", "  a\tb\n  \tc\n", "a\tb\n\tc\n"},
      {">", "  a\n  b\n", "a b\n"},
      {">", "  a\n\n\n  b\n\n", "a\n\nb\n"},
      {">-", "\n  a\n  b", "\na b"},
      {">", "  a\n\n   b\n  c\n", "a\n\n b\nc\n"},
      {">", "  a\n  \tb\n\n  c\n", "a\n\tb\n\nc\n"},
      {">+", "  a\n     \n", "a\n   \n"},
      {">+", "  a\n\n", "a\n\n"},
  };
  for (const Case& test : kCases) {
    EXPECT_EQ(read_block(test.header, test.text, test.outer), test.value) << test.header << "\n" << test.text;
    EXPECT_EQ(read_block(test.header, with_returns(test.text), test.outer), test.value) << test.text;
  }
}

}  // namespace
}  // namespace sluice::tree_internal

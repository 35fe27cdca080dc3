#include "cli/columns.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

struct Case {
  std::string line;
  unsigned column;
  std::string shown;
  std::string blanks;
};

TEST(Columns, Excerpts) {
  const std::vector<Case> cases = {
      {"name: web", 1, "name: web", ""},
      {"name: web", 7, "name: web", "      "},
      {"\tname:\tweb", 8, "\tname:\tweb", "\t     \t"},
      {"日本: x", 5, "日本: x", "      "},     // two columns each
      {"e\u0301: x", 5, "e\u0301: x", "   "},  // a combining accent takes none
      {"🚀: x", 4, "🚀: x", "    "},
      {"a\x1b[31mb", 4, "a\uFFFD[31mb", "   "},  // no escape sequences
      {"a\xff\xfe: b", 6, "a\uFFFD\uFFFD: b", "     "},
      {"a\xe2\x82", 3, "a\uFFFD\uFFFD", "  "},  // cut off
      {"\u202Eabc", 2, "\uFFFDabc", " "},       // turns the direction of text
      {"ab", 3, "ab", "  "},                    // behind the end
      {"ab", 99, "ab", "  "},
      {"ab", 0, "ab", ""},
      {"", 1, "", ""},
  };
  for (const Case& c : cases) {
    const Excerpt excerpt = cli::excerpt(c.line, c.column);
    EXPECT_EQ(excerpt.line, c.shown) << c.line << " " << c.column;
    EXPECT_EQ(excerpt.blanks, c.blanks) << c.line << " " << c.column;
  }
}

TEST(Columns, LongLinesAreCut) {
  const std::string line = std::string(200, 'a') + "X" + std::string(200, 'b');
  EXPECT_EQ(excerpt(line, 1).line, std::string(140, 'a') + "…");
  EXPECT_EQ(excerpt(line, 201).line, "…" + std::string(60, 'a') + "X" + std::string(79, 'b') + "…");
  EXPECT_EQ(excerpt(line, 201).blanks, std::string(61, ' '));
  EXPECT_EQ(excerpt(line, 401).line, "…" + std::string(61, 'b'));
  EXPECT_EQ(excerpt(line, 401).blanks, std::string(61, ' '));
}

TEST(Columns, WhatTakesNoColumnIsCutToo) {
  std::string accents;
  for (int i = 0; i < 1'000; ++i) accents += "\u0301";
  EXPECT_EQ(excerpt(accents, 500).line.size(),
            140 * std::string("\u0301").size() + 2 * std::string("…").size());
}

}  // namespace
}  // namespace sluice::cli

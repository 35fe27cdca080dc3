#include "tree/write.h"

#include <string>

#include <gtest/gtest.h>

#include "tree/parse.h"

namespace sluice {
namespace {

Tree parse_one(std::string_view text) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << text;
  return documents.size() == 1 ? documents[0].tree : Tree();
}

TEST(Yaml, BlockStyle) {
  const std::string text =
      "a: text\n"
      "\"b c\":\n"
      "- 1\n"
      "- x: true\n"
      "  w: \"no\"\n"
      "- - 1.5\n"
      "  - null\n"
      "- z:\n"
      "  - /path\n"
      "d: {}\n"
      "e: []\n"
      "f:\n"
      "  g:\n"
      "    h: \"two\\nlines\"\n";
  EXPECT_EQ(to_yaml(parse_one(text)), text);
}

TEST(Yaml, WhatNeedsQuotesHasThem) {
  for (const char* const text :
       {"",     "true", "Yes",        "ON",  "null", "~",   "1",        "1.5",       "0x1", "- a",  "a: b",
        "a #b", "{",    "*a",         "&a",  "!t",   "a'b", "'a''''b'", "\"",        "\\",  "a\tb", "ä",
        " a",   "a ",   "2026-01-31", "a,b", "-",    "?",   "%a",       "a/b.c-d_e", "/"}) {
    const Tree tree = Tree::map({{.key = text, .value = Tree::list({Tree::string(text)})}});
    EXPECT_TRUE(parse_one(to_yaml(tree)) == tree) << to_yaml(tree);
  }
}

}  // namespace
}  // namespace sluice

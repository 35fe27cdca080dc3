#include "base/quote.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Quote, ControlCharactersAreSpelledOut) {
  EXPECT_EQ(quote("a b"), "`a b`");
  EXPECT_EQ(quote("a\nb\tc"), "`a\\nb\\tc`");
  EXPECT_EQ(quote("\x1B[2J\x7F"), "`\\x1b[2J\\x7f`");
}

TEST(Quote, WhatIsNoUtf8IsSpelledOut) {
  EXPECT_EQ(quote("a\xFF\xC3\xA9\xC3"), "`a\\xff\xC3\xA9\\xc3`");
  EXPECT_EQ(quote("\xED\xA0\x80\xC0\x80"), "`\\xed\\xa0\\x80\\xc0\\x80`");
}

TEST(Quote, ALongTextIsCutBetweenCodePoints) {
  EXPECT_EQ(quote(std::string(60, 'x')), "`" + std::string(60, 'x') + "`");
  EXPECT_EQ(quote(std::string(61, 'x')), "`" + std::string(60, 'x') + "…`");
  EXPECT_EQ(quote(std::string(59, 'x') + "éé"), "`" + std::string(59, 'x') + "…`");
}

}  // namespace
}  // namespace sluice

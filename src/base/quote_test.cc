#include "base/quote.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Quote, ControlCharactersAreSpelledOut) {
  EXPECT_EQ(quote("a b"), "`a b`");
  EXPECT_EQ(quote("a\nb\tc"), "`a\\nb\\tc`");
  EXPECT_EQ(quote("\x1B[2J\x7F"), "`\\x1b[2J\\x7f`");
}

TEST(Quote, ALongTextIsCutBetweenCodePoints) {
  EXPECT_EQ(quote(std::string(60, 'x')), "`" + std::string(60, 'x') + "`");
  EXPECT_EQ(quote(std::string(61, 'x')), "`" + std::string(60, 'x') + "…`");
  EXPECT_EQ(quote(std::string(59, 'x') + "éé"), "`" + std::string(59, 'x') + "…`");
}

}  // namespace
}  // namespace sluice

#include "base/letter_case.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(LetterCase, IsThatOfAsciiOnly) {
  EXPECT_EQ(lower_case(std::string_view("X-Token @[`{ ÄÖ")), "x-token @[`{ ÄÖ");
}

TEST(LetterCase, DoesNotTellNamesApart) {
  EXPECT_TRUE(equal_but_for_case("X-Token", "x-tOKEN"));
  EXPECT_FALSE(equal_but_for_case("x-token", "x-tokens"));
  EXPECT_FALSE(equal_but_for_case("@", "`"));
}

}  // namespace
}  // namespace sluice

#include "base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Utf8, TheSizeOfACharacterOrThatItIsNone) {
  EXPECT_EQ(utf8_size("a"), 1U);
  EXPECT_EQ(utf8_size("é."), 2U);
  EXPECT_EQ(utf8_size("€."), 3U);
  EXPECT_EQ(utf8_size("😀."), 4U);
  for (const char* none : {"\x80", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    EXPECT_EQ(utf8_size(none), 0U) << none;
  }
}

TEST(Utf8, WhatIsNoneIsReplaced) {
  EXPECT_EQ(as_utf8(""), "");
  EXPECT_EQ(as_utf8("aé€😀"), "aé€😀");
  EXPECT_EQ(as_utf8("a\xFF\xC3."), "a\xEF\xBF\xBD\xEF\xBF\xBD.");
}

}  // namespace
}  // namespace sluice

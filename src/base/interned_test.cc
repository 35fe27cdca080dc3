#include "base/interned.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(InternedTest, EqualTextsAreOneText) {
  const Interned a("default");
  const Interned b(std::string("default"));
  EXPECT_EQ(a, b);
  EXPECT_EQ(&a.text(), &b.text());
  EXPECT_NE(a, Interned("shop"));
}

TEST(InternedTest, ComparesWithTextsThatAreNotKept) {
  const Interned a("default");
  EXPECT_EQ(a, "default");
  EXPECT_EQ(a, std::string("default"));
  EXPECT_NE(a, std::string_view("defaults"));
}

TEST(InternedTest, IsOrderedByText) {
  EXPECT_LT(Interned("interned-b"), Interned("interned-c"));
  EXPECT_LT(Interned("interned-a"), Interned("interned-b"));
  EXPECT_LT(Interned(), Interned("interned-a"));
}

TEST(InternedTest, IsEmptyFromTheStart) {
  EXPECT_TRUE(Interned().empty());
  EXPECT_EQ(Interned(), Interned(""));
}

TEST(InternedTest, IsAStringWhereOneIsWanted) {
  const Interned a("shop");
  const std::string copy = a;
  EXPECT_EQ(copy, "shop");
  EXPECT_EQ(a + "/web", "shop/web");
  EXPECT_EQ(fmt::format("{:>6}", a), "  shop");
}

}  // namespace
}  // namespace sluice

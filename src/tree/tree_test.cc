#include "tree/tree.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

Tree sample() {
  return Tree::map({
      {.key = "spec",
       .value = Tree::map({
           {.key = "rules",
            .value = Tree::list({Tree::integer(1), Tree::map({{.key = "a", .value = Tree::string("b")}})})},
           {.key = "labels", .value = Tree::map({{.key = "example.com/a", .value = Tree::boolean(true)}})},
       })},
  });
}

TEST(Tree, DefaultIsNull) {
  EXPECT_TRUE(Tree().is_null());
  EXPECT_EQ(Tree().line(), 0u);
  EXPECT_EQ(Tree(), Tree::null(3, 4));
}

TEST(Tree, FindsAlongPaths) {
  const Tree tree = sample();
  ASSERT_NE(tree.at("spec.rules[0]"), nullptr);
  EXPECT_EQ(tree.at("spec.rules[0]")->as_int(), 1);
  EXPECT_EQ(tree.at("spec.rules[1].a")->as_string(), "b");
  EXPECT_TRUE(tree.at("spec.labels[example.com/a]")->as_bool());
  EXPECT_EQ(tree.at(""), &tree);
  for (const char* const nowhere :
       {"spec.none", "spec.rules[2]", "spec.rules[x]", "spec.rules[", "spec.rules[0].a"}) {
    EXPECT_EQ(tree.at(nowhere), nullptr) << nowhere;
  }
}

TEST(Tree, EqualityIsOfValues) {
  EXPECT_EQ(sample(), sample());
  EXPECT_EQ(Tree::string("a", 1, 2), Tree::string("a", 3, 4));
  EXPECT_FALSE(Tree::integer(1) == Tree::number(1));
  EXPECT_FALSE(Tree::string("1") == Tree::integer(1));
  const Tree one =
      Tree::map({{.key = "a", .value = Tree::integer(1)}, {.key = "b", .value = Tree::integer(2)}});
  const Tree other =
      Tree::map({{.key = "b", .value = Tree::integer(2)}, {.key = "a", .value = Tree::integer(1)}});
  EXPECT_EQ(one, other);
  EXPECT_FALSE(one ==
               Tree::map({{.key = "a", .value = Tree::integer(1)}, {.key = "c", .value = Tree::integer(2)}}));
}

TEST(TreeDeathTest, AsksForTheRightType) {
  EXPECT_DEATH(static_cast<void>(Tree::integer(1).as_string()), "the node is no string");
  EXPECT_EQ(Tree::integer(2).as_float(), 2.0);
}

}  // namespace
}  // namespace sluice

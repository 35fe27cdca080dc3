#include "control/clues.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using Positions = std::vector<std::size_t>;

std::vector<std::string> texts(std::size_t n) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < n; ++i) {
    all.push_back(R"({"kind":"HTTPRoute","hostnames":["h)" + std::to_string(i) +
                  R"(.example"],"header":"plain"})");
  }
  return all;
}

TEST(Clues, TheRarestWordPoints) {
  std::vector<std::string> all = texts(100);
  all[7] += R"({"value":"%NOPE%"})";
  EXPECT_EQ(pointed_at(all, "Unknown field in header: NOPE"), Positions{7});
  EXPECT_EQ(pointed_at(all, "the header of h42.example is bad."), Positions{42});
  all[70] += "NOPE";
  EXPECT_EQ(pointed_at(all, "no such command 'NOPE'"), (Positions{7, 70}));
}

TEST(Clues, WordsOfNoneOrOfManyTellNothing) {
  const std::vector<std::string> all = texts(100);
  EXPECT_EQ(pointed_at(all, ""), Positions());
  EXPECT_EQ(pointed_at(all, "is of no use, at all"), Positions());
  EXPECT_EQ(pointed_at(all, "the header is bad"), Positions());
  EXPECT_EQ(pointed_at({}, "header"), Positions());
}

TEST(Clues, OfFewTextsNoneIsRare) {
  EXPECT_EQ(pointed_at({"a header", "another"}, "header"), Positions());
  EXPECT_EQ(pointed_at({"a header", "b", "c", "d"}, "header"), Positions{0});
}

}  // namespace
}  // namespace sluice::control

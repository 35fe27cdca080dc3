#include "translate/filter_order.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

api::FilterPosition before(const std::string& name, const std::string& other) {
  return {.name = name, .before = other, .after = {}};
}
api::FilterPosition after(const std::string& name, const std::string& other) {
  return {.name = name, .before = {}, .after = other};
}

// "spec.filterOrder[1]: …" of each, and its other places.
std::vector<std::string> problems(const std::vector<api::FilterPosition>& order) {
  std::vector<std::string> texts;
  for (const Problem& problem : check_filter_order({"default", "proxy"}, order).problems) {
    EXPECT_EQ(problem.code, "conflict/filter-order");
    EXPECT_EQ(problem.object.to_string(), "EnvoyProxy default/proxy");
    texts.push_back(problem.path + ": " + problem.message + "; " + problem.suggestion);
    for (const Related& also : problem.also) {
      EXPECT_EQ(also.object, problem.object);
      texts.push_back("  " + also.path + ": " + also.message);
    }
  }
  return texts;
}

TEST(FilterOrder, OfPositionsThatCanAllBeMetIsGood) {
  EXPECT_EQ(problems({before("a", "b"), after("c", "b"), before("a", "c")}), std::vector<std::string>());
}

TEST(FilterOrder, ThatGoesRoundInACircleIsToldWithAllOfIt) {
  EXPECT_EQ(
      problems({before("a", "b"), before("x", "y"), before("b", "c"), after("a", "c")}),
      (std::vector<std::string>{"spec.filterOrder[3]: the positions go round in a circle: a → b → c → a; "
                                "remove one of them",
                                "  spec.filterOrder[0]: `a` is in front of `b` here",
                                "  spec.filterOrder[2]: `b` is in front of `c` here"}));
}

TEST(FilterOrder, WithAFilterInFrontOfItselfIsTold) {
  EXPECT_EQ(problems({before("a", "a")}),
            std::vector<std::string>{"spec.filterOrder[0]: `a` cannot be in front of itself; remove it"});
}

TEST(FilterOrder, BecomesMovesInTheUsersOrder) {
  EXPECT_EQ(filter_moves({before("a", "b"), after("c", "a")}),
            (std::vector<ir::FilterMove>{{.filter = "a", .before = true, .other = "b"},
                                         {.filter = "c", .before = false, .other = "a"}}));
}

}  // namespace
}  // namespace sluice::translate

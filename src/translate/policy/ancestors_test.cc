#include "translate/policy/ancestors.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

api::ParentReference gateway(const std::string& name) {
  api::ParentReference reference;
  reference.namespace_ = "default";
  reference.name = name;
  return reference;
}

// Gateways g00, g01, … at each of which the policy is in force.
Ancestors met(std::size_t count) {
  Ancestors ancestors;
  for (std::size_t i = 0; i < count; ++i) {
    ancestors.emplace_back(gateway(fmt::format("g{:02}", i)), Conditions{{"Accepted", true, "Accepted", ""}});
  }
  return ancestors;
}

std::vector<std::string> names_of(const Ancestors& ancestors) {
  std::vector<std::string> names;
  for (const auto& [ancestor, conditions] : ancestors) names.push_back(ancestor.name);
  return names;
}

const Condition* aggregated(const Ancestors& ancestors) {
  return find_condition(ancestors.back().second, "Aggregated");
}

TEST(Ancestors, AsManyAsThereIsRoomForStayAsTheyAre) {
  const Ancestors all = met(kMaxAncestors);
  EXPECT_EQ(limit_ancestors(all), all);
}

TEST(Ancestors, OneTooManyIsNamedByTheLastThatStays) {
  const Ancestors kept = limit_ancestors(met(kMaxAncestors + 1));
  ASSERT_EQ(kept.size(), kMaxAncestors);
  ASSERT_NE(aggregated(kept), nullptr);
  EXPECT_EQ(aggregated(kept)->message,
            "A status has room for 16 ancestors. Without one of their own here are Gateway default/g16");
  EXPECT_EQ(kept.back().first.name, "g15");
}

TEST(Ancestors, WhereThePolicyIsRefusedOrOverriddenStay) {
  Ancestors all = met(20);
  all[19].second = {{"Accepted", false, "Conflicted", ""}};
  all[18].second.push_back({"Overridden", true, "Overridden", ""});
  const std::vector<std::string> names = names_of(limit_ancestors(all));
  EXPECT_EQ(names[0], "g19");
  EXPECT_EQ(names[1], "g18");
  EXPECT_EQ(names[2], "g00");
  EXPECT_EQ(names.back(), "g13");
}

TEST(Ancestors, WhichStayDoesNotDependOnTheirOrder) {
  Ancestors reversed = met(40);
  std::ranges::reverse(reversed);
  EXPECT_EQ(limit_ancestors(reversed), limit_ancestors(met(40)));
}

TEST(Ancestors, OfManySomeAreNamed) {
  const Ancestors kept = limit_ancestors(met(40));
  EXPECT_THAT(aggregated(kept)->message, testing::EndsWith("Gateway default/g31 and 8 more"));
}

}  // namespace
}  // namespace sluice::translate

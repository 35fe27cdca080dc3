#include "translate/status.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "translate/virtual_host.h"

namespace sluice::translate {
namespace {

// The message of RouteRulesOverlap of a route that has so many others in its way.
std::string message_of(std::size_t others) {
  RouteResult result;
  result.parents.resize(1);
  result.parents[0].route_tables = {"table"};
  std::map<std::string, std::set<ObjectKey>> overlaps;
  for (std::size_t i = 0; i < others; ++i) {
    overlaps["table"].insert({.kind = {"", "HTTPRoute"}, .name = {"default", fmt::format("r{:02}", i)}});
  }
  const ObjectStatus status = route_status(1, result, overlaps);
  return find_condition(status.parents.at(0).second, "RouteRulesOverlap")->message;
}

TEST(RouteStatus, NamesTheRoutesThatClaimTheSameMatch) {
  EXPECT_EQ(
      message_of(2),
      "The same match is claimed by HTTPRoute default/r00, HTTPRoute default/r01: the older route gets the "
      "requests");
}

TEST(RouteStatus, NamesSomeOfManyRoutes) {
  EXPECT_EQ(message_of(kMaxOverlaps).find("and others"), std::string::npos);
  const std::string message = message_of(kMaxOverlaps + 1);
  EXPECT_NE(message.find("HTTPRoute default/r15 and others: the older"), std::string::npos) << message;
}

// "True Accepted", of a Gateway with such listeners.
std::string acceptance(std::initializer_list<bool> accepted_listeners) {
  ObjectStatus status;
  for (const bool accepted : accepted_listeners) {
    status.listeners.push_back(
        {.conditions = {{"Accepted", accepted, accepted ? "Accepted" : "UnsupportedProtocol", ""}}});
  }
  add_acceptance(status);
  const Condition& condition = *find_condition(status.conditions, "Accepted");
  return fmt::format("{} {}", condition.status ? "True" : "False", condition.reason);
}

TEST(GatewayStatus, IsAcceptedWithAListenerThatIs) {
  EXPECT_EQ(acceptance({true, true}), "True Accepted");
  EXPECT_EQ(acceptance({true, false}), "True ListenersNotValid");
  EXPECT_EQ(acceptance({false, false}), "False ListenersNotValid");
  EXPECT_EQ(acceptance({}), "True Accepted") << "all that it has is in ListenerSets";
}

TEST(GatewayStatus, StaysAsItIsWhereSomethingElseIsWrong) {
  ObjectStatus status{.conditions = {{"Accepted", false, "InvalidParameters", "no"}}};
  add_acceptance(status);
  EXPECT_EQ(status.conditions, (Conditions{{"Accepted", false, "InvalidParameters", "no"}}));
}

}  // namespace
}  // namespace sluice::translate

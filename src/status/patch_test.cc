#include "status/patch.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/kinds.h"

namespace sluice::status {
namespace {

using nlohmann::json;
using translate::Conditions;
using translate::ObjectStatus;

constexpr char kOurs[] = "example.com/sluice";
constexpr char kOther[] = "example.com/other";
constexpr char kNow[] = "2026-02-02T00:00:00Z";
constexpr char kBefore[] = "2026-01-01T00:00:00Z";

const GroupKind& kGateway = api::kind_of<api::Gateway>();
const GroupKind& kRoute = api::kind_of<api::HTTPRoute>();

std::optional<Patch> patch_of(const GroupKind& kind, const ObjectStatus& row, const json& present) {
  return patch(kind, &row, present, kOurs, kNow);
}

// The status after the patch.
json after(const GroupKind& kind, const ObjectStatus& row, json present) {
  const auto made = patch_of(kind, row, present);
  if (made) present.merge_patch(made->status);
  return present;
}

api::ParentReference gateway_ref(const std::string& name) {
  api::ParentReference made;
  made.group = "gateway.networking.k8s.io";
  made.kind = "Gateway";
  made.name = name;
  return made;
}

Conditions accepted(bool status = true) { return {{"Accepted", status, "Accepted", "It is"}}; }

ObjectStatus route_row(const std::vector<std::string>& parents, bool status = true) {
  ObjectStatus row;
  row.generation = 3;
  for (const std::string& parent : parents) row.parents.emplace_back(gateway_ref(parent), accepted(status));
  return row;
}

json condition(const std::string& type, const std::string& status, const std::string& time) {
  return {{"type", type},       {"status", status},        {"reason", "Accepted"},
          {"message", "It is"}, {"observedGeneration", 3}, {"lastTransitionTime", time}};
}

json parent(const std::string& name, const std::string& controller, const std::string& time = kBefore) {
  return {{"parentRef", {{"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}, {"name", name}}},
          {"controllerName", controller},
          {"conditions", {condition("Accepted", "True", time)}}};
}

TEST(StatusPatch, OfANewObjectIsAllOfIt) {
  EXPECT_EQ(after(kRoute, route_row({"a"}), nullptr), (json{{"parents", {parent("a", kOurs, kNow)}}}));
}

TEST(StatusPatch, OfWhatTheServerHasIsNothing) {
  EXPECT_FALSE(patch_of(kRoute, route_row({"a"}), {{"parents", {parent("a", kOurs)}}}));
}

TEST(StatusPatch, TheOrderOfConditionsIsNoDifference) {
  ObjectStatus row;
  row.generation = 3;
  row.conditions = {{"Accepted", true, "Accepted", "It is"}, {"Programmed", true, "Accepted", "It is"}};
  EXPECT_FALSE(patch_of(
      kGateway, row,
      {{"conditions", {condition("Programmed", "True", kBefore), condition("Accepted", "True", kNow)}}}));
}

TEST(StatusPatch, ATransitionTimeStaysWithItsStatus) {
  ObjectStatus row = route_row({"a"});
  row.generation = 4;
  const json now = after(kRoute, row, {{"parents", {parent("a", kOurs)}}});
  const json& changed = now["parents"][0]["conditions"][0];
  EXPECT_EQ(changed["observedGeneration"], 4);
  EXPECT_EQ(changed["lastTransitionTime"], kBefore);
}

TEST(StatusPatch, AnotherStatusIsATransition) {
  const json now = after(kRoute, route_row({"a"}, false), {{"parents", {parent("a", kOurs)}}});
  const json& changed = now["parents"][0]["conditions"][0];
  EXPECT_EQ(changed["status"], "False");
  EXPECT_EQ(changed["lastTransitionTime"], kNow);
}

TEST(StatusPatch, EntriesOfOthersStayWhereTheyAre) {
  const json present{{"parents", {parent("a", kOther), parent("a", kOurs), parent("b", kOther)}}};
  const json now = after(kRoute, route_row({"a", "b"}, false), present);
  EXPECT_EQ(now["parents"].size(), 4U);
  EXPECT_EQ(now["parents"][0], present["parents"][0]);
  EXPECT_EQ(now["parents"][1]["conditions"][0]["status"], "False");
  EXPECT_EQ(now["parents"][2], present["parents"][2]);
  EXPECT_EQ(now["parents"][3]["parentRef"]["name"], "b");
}

TEST(StatusPatch, EntriesOfOursThatAreNoMoreGo) {
  const json now = after(kRoute, route_row({}), {{"parents", {parent("a", kOther), parent("a", kOurs)}}});
  EXPECT_EQ(now["parents"], json::array({parent("a", kOther)}));
}

TEST(StatusPatch, OfAnObjectThatIsNoMoreOursTakesOurEntriesBack) {
  const json present{{"parents", {parent("a", kOther), parent("a", kOurs)}}};
  const auto made = patch(kRoute, nullptr, present, kOurs, kNow);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->status, (json{{"parents", {parent("a", kOther)}}}));
}

TEST(StatusPatch, OfAnObjectThatWasNeverOursIsNothing) {
  EXPECT_FALSE(patch(kRoute, nullptr, {{"parents", {parent("a", kOther)}}}, kOurs, kNow));
  EXPECT_FALSE(
      patch(kGateway, nullptr, {{"conditions", {condition("Accepted", "True", kNow)}}}, kOurs, kNow));
}

TEST(StatusPatch, AnEntryIsFoundByItsReferenceWithDefaults) {
  json shorter = parent("a", kOurs);
  shorter["parentRef"] = {{"name", "a"}};
  const json now = after(kRoute, route_row({"a"}, true), {{"parents", {shorter}}});
  EXPECT_EQ(now["parents"].size(), 1U);
  EXPECT_EQ(now["parents"][0]["conditions"][0]["lastTransitionTime"], kBefore);
}

TEST(StatusPatch, OnlySharedListsAreForOneVersion) {
  EXPECT_TRUE(patch_of(kRoute, route_row({"a"}), nullptr)->shared);
  ObjectStatus row;
  row.conditions = accepted();
  EXPECT_FALSE(patch_of(kGateway, row, nullptr)->shared);
}

TEST(StatusPatch, MoreEntriesThanAServerTakesAreLeftOut) {
  ObjectStatus row;
  row.is_policy = true;
  for (int i = 0; i < 20; ++i) row.ancestors.emplace_back(gateway_ref("g" + std::to_string(i)), accepted());
  EXPECT_EQ(after(api::kind_of<api::BackendTLSPolicy>(), row, nullptr)["ancestors"].size(), 16U);
}

TEST(StatusPatch, OfAPolicyThatNobodyMetIsNothing) {
  ObjectStatus row;
  row.is_policy = true;
  EXPECT_FALSE(patch_of(api::kind_of<api::BackendTLSPolicy>(), row, nullptr));
}

TEST(StatusPatch, AnEnvoyProxysAncestorsNameNoController) {
  ObjectStatus row;
  row.ancestors.emplace_back(gateway_ref("g"), accepted());
  const json now = after(api::kind_of<api::EnvoyProxy>(), row, nullptr);
  EXPECT_FALSE(now["ancestors"][0].contains("controllerName"));
  EXPECT_FALSE(patch_of(api::kind_of<api::EnvoyProxy>(), row, now));
}

TEST(StatusPatch, ConditionsThatAreNotOursStay) {
  ObjectStatus row;
  row.generation = 3;
  row.conditions = accepted();
  const json others = condition("example.com/Audited", "True", kBefore);
  const json now = after(kGateway, row, {{"conditions", {others, condition("Programmed", "True", kBefore)}}});
  EXPECT_THAT(now["conditions"], testing::UnorderedElementsAre(others, condition("Accepted", "True", kNow)));
}

TEST(StatusPatch, OfAGatewayIsOnlyWhatChanges) {
  ObjectStatus row;
  row.generation = 3;
  row.conditions = accepted();
  row.addresses = {"10.0.0.1"};
  row.listeners.push_back({.name = "http", .attached_routes = 1, .conditions = accepted()});
  json present = after(kGateway, row, nullptr);
  row.listeners[0].attached_routes = 2;
  const auto made = patch_of(kGateway, row, present);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->status.size(), 1U);
  EXPECT_EQ(made->status["listeners"][0]["attachedRoutes"], 2);
}

TEST(StatusPatch, AnAddressThatIsGoneIsTakenAway) {
  ObjectStatus row;
  row.generation = 3;
  row.conditions = accepted();
  row.addresses = {"10.0.0.1"};
  const json present = after(kGateway, row, nullptr);
  row.addresses.clear();
  EXPECT_FALSE(after(kGateway, row, present).contains("addresses"));
}

TEST(StatusPatch, AMessageIsCutWhereAServerWouldRefuseIt) {
  ObjectStatus row;
  row.conditions = {{"Accepted", true, "Accepted", std::string(40'000, 'x')}};
  EXPECT_EQ(after(kGateway, row, nullptr)["conditions"][0]["message"].get<std::string>().size(), 32'768U);
}

TEST(StatusPatch, AnAcceptedClassClaimsItsFeatures) {
  ObjectStatus row;
  row.conditions = accepted();
  const json now = after(api::kind_of<api::GatewayClass>(), row, nullptr);
  EXPECT_EQ(now["supportedFeatures"].size(), supported_features().size());
  EXPECT_EQ(now["supportedFeatures"][0], (json{{"name", supported_features()[0]}}));
  row.conditions = accepted(false);
  EXPECT_FALSE(after(api::kind_of<api::GatewayClass>(), row, nullptr).contains("supportedFeatures"));
}

TEST(StatusPatch, FeaturesAreSortedAndFit) {
  EXPECT_TRUE(std::ranges::is_sorted(supported_features()));
  EXPECT_LE(supported_features().size(), 64U);
}

}  // namespace
}  // namespace sluice::status

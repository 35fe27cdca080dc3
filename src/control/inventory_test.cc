#include "control/inventory.h"

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using Step = Inventory::Step;

const GroupKind kDeployment("apps", "Deployment");
const GroupKind kDaemonSet("apps", "DaemonSet");
const GroupKind kService("", "Service");
const GroupKind kAccount("", "ServiceAccount");
const GroupKind kAutoscaler("autoscaling", "HorizontalPodAutoscaler");

ObjectKey key(const GroupKind& kind, const std::string& name) { return {kind, {"system", name}}; }

json labels_of(const std::string& gateway) {
  return {{"gateway.envoyproxy.io/owning-gateway-namespace", "default"},
          {"gateway.envoyproxy.io/owning-gateway-name", gateway}};
}

infra::Object object(const GroupKind& kind, const std::string& name, const std::string& gateway,
                     const json& spec = json::object()) {
  return {key(kind, name),
          {{"apiVersion", kind.group().empty() ? "v1" : kind.group() + "/v1"},
           {"kind", kind.kind()},
           {"metadata", {{"name", name}, {"namespace", "system"}, {"labels", labels_of(gateway)}}},
           {"spec", spec}}};
}

class InventoryTest : public testing::Test {
 protected:
  InventoryTest() {
    for (const GroupKind& kind : {kDeployment, kDaemonSet, kService, kAccount, kAutoscaler})
      inventory_.listed(kind);
    inventory_.set_complete(true);
    inventory_.set_leads(true);
  }

  void want(const std::string& gateway, std::vector<infra::Object> objects,
            std::vector<ObjectKey> withheld = {}) {
    auto row = std::make_shared<ProxyObjects>();
    row->owner = {{"gateway.envoyproxy.io/owning-gateway-namespace", "default"},
                  {"gateway.envoyproxy.io/owning-gateway-name", gateway}};
    row->objects = std::move(objects);
    row->withheld = std::move(withheld);
    inventory_.want("default/" + gateway, std::move(row));
  }
  // "apply Deployment system/a", in order.
  static std::vector<std::string> texts(const std::vector<Step>& steps) {
    static constexpr const char* kWhat[] = {"apply", "keep replicas of", "delete", "nothing of"};
    std::vector<std::string> all;
    for (const Step& step : steps) {
      all.push_back(fmt::format("{} {}", kWhat[static_cast<int>(step.what)], step.object.to_string()));
    }
    return all;
  }
  std::vector<std::string> steps() { return texts(inventory_.take_steps()); }

  // The server has it, as it is applied and with `more`.
  json live(const infra::Object& object, const json& more = json::object()) {
    json document = object.document;
    document.merge_patch(more);
    document["metadata"]["uid"] = object.key.to_string();
    document["metadata"]["resourceVersion"] = std::to_string(++version_);
    return document;
  }
  void see(const infra::Object& object, const json& more = json::object()) {
    const json document = live(object, more);
    inventory_.seen(object.key, &document);
  }
  void gone(const infra::Object& object) { inventory_.seen(object.key, nullptr); }
  // Does all that is to be done, as a server does that takes everything; what was done.
  std::vector<std::string> perform(const json& more = json::object()) {
    std::vector<std::string> all;
    for (std::vector<Step> steps = inventory_.take_steps(); !steps.empty(); steps = inventory_.take_steps()) {
      for (const Step& step : steps) {
        all.push_back(texts({step}).front());
        if (step.what == Step::What::kDelete) {
          inventory_.done(step, json::object());
          inventory_.seen(step.object, nullptr);
          continue;
        }
        const json answer = live({step.object, step.document}, more);
        inventory_.seen(step.object, &answer);
        inventory_.done(step, answer);
      }
    }
    return all;
  }

  static infra::Object deployment(const std::string& name = "a") {
    return object(kDeployment, name, "web", {{"selector", {{"matchLabels", {{"app", "envoy"}}}}}});
  }
  static infra::Object daemon_set() {
    return object(kDaemonSet, "a", "web", {{"selector", {{"matchLabels", {{"app", "envoy"}}}}}});
  }
  static json serving() { return {{"status", {{"availableReplicas", 1}, {"numberAvailable", 1}}}}; }
  static infra::Object service(const std::string& name = "a") {
    return object(kService, name, "web", {{"type", "LoadBalancer"}});
  }
  static json with_address() {
    return {{"status", {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.1"}}}}}}}}};
  }

  Inventory inventory_;
  int version_ = 0;
};

TEST_F(InventoryTest, WhatIsWantedIsAppliedOnceInItsOrder) {
  want("web", {object(kAccount, "a", "web"), deployment(), service()});
  EXPECT_THAT(perform(), ElementsAre("apply ServiceAccount system/a", "apply Deployment system/a",
                                     "apply Service system/a"));
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, WhoDoesNotLeadDoesNothing) {
  inventory_.set_leads(false);
  want("web", {deployment()});
  see(object(kDeployment, "left", "gone"));
  EXPECT_THAT(steps(), IsEmpty());
  inventory_.set_leads(true);
  EXPECT_THAT(steps(),
              testing::UnorderedElementsAre("apply Deployment system/a", "delete Deployment system/left"));
}

TEST_F(InventoryTest, BeforeAKindIsKnownNothingOfItIsWritten) {
  const GroupKind budgets("policy", "PodDisruptionBudget");
  want("web", {object(budgets, "a", "web")});
  EXPECT_THAT(steps(), IsEmpty());
  inventory_.listed(budgets);
  EXPECT_THAT(steps(), ElementsAre("apply PodDisruptionBudget system/a"));
}

TEST_F(InventoryTest, WhatTheServerHasAsItIsWantedIsNotWritten) {
  want("web", {deployment()});
  see(deployment(), {{"metadata",
                      {{"managedFields",
                        {{{"manager", "sluice"}, {"operation", "Apply"}, {"fieldsV1", json::object()}}}}}}});
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, ADifferenceThatTheServerMadeIsNoDrift) {
  want("web", {object(kService, "a", "web", {{"cpu", "1000m"}})});
  perform({{"spec", {{"cpu", "1"}}}});
  see(object(kService, "a", "web", {{"cpu", "1"}}));
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, DriftIsAppliedAway) {
  want("web", {service()});
  perform();
  see(service(), {{"spec", {{"type", "ClusterIP"}}}});
  EXPECT_THAT(perform(), ElementsAre("apply Service system/a"));
}

TEST_F(InventoryTest, FieldsThatAreNotOursMayChange) {
  want("web", {deployment()});
  perform();
  see(deployment(), {{"spec", {{"replicas", 7}}}, {"status", {{"replicas", 7}}}});
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, AnEventFromBeforeAWriteIsNoDrift) {
  want("web", {service()});
  perform();
  infra::Object changed = service();
  changed.document["spec"]["type"] = "ClusterIP";
  want("web", {changed});
  const std::vector<Step> sent = inventory_.take_steps();
  ASSERT_EQ(sent.size(), 1u);
  const json late = live(service());
  const json answer = live(changed);
  inventory_.done(sent.front(), answer);
  inventory_.seen(service().key, &late);
  EXPECT_THAT(steps(), IsEmpty());
  inventory_.seen(service().key, &answer);
  see(service());
  EXPECT_THAT(steps(), ElementsAre("apply Service system/a")) << "drift is looked for again";
}

TEST_F(InventoryTest, WhatHasBeenMadeIsNotMadeAgainBeforeItIsSeen) {
  want("web", {service()});
  const std::vector<Step> sent = inventory_.take_steps();
  ASSERT_EQ(sent.size(), 1u);
  const json answer = live(service());
  inventory_.done(sent.front(), answer);
  EXPECT_THAT(steps(), IsEmpty());
  inventory_.seen(service().key, &answer);
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, WhatSomebodyDeletesIsMadeAnew) {
  want("web", {service()});
  perform();
  gone(service());
  EXPECT_THAT(steps(), ElementsAre("apply Service system/a"));
}

TEST_F(InventoryTest, WhatNobodyWantsIsDeleted) {
  see(object(kService, "left", "gone"));
  EXPECT_THAT(perform(), ElementsAre("delete Service system/left"));
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, WhileItIsNotKnownWhatIsWantedNothingIsDeleted) {
  inventory_.set_complete(false);
  see(object(kService, "left", "gone"));
  EXPECT_THAT(steps(), IsEmpty());
  inventory_.set_complete(true);
  EXPECT_THAT(steps(), ElementsAre("delete Service system/left"));
}

TEST_F(InventoryTest, WhatIsWithheldIsLeftAlone) {
  see(service());
  want("web", {}, {service().key});
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, ObjectsOfAProxyThatLeavesStayUntilItIsReleased) {
  want("web", {deployment(), service()});
  perform();
  inventory_.want("default/web", nullptr);
  EXPECT_THAT(steps(), IsEmpty());
  inventory_.release("default/web");
  EXPECT_THAT(perform(),
              testing::UnorderedElementsAre("delete Deployment system/a", "delete Service system/a"));
}

TEST_F(InventoryTest, AProxyThatComesBackKeepsItsObjects) {
  want("web", {deployment()});
  perform();
  inventory_.want("default/web", nullptr);
  want("web", {deployment()});
  inventory_.release("default/web");
  for (const std::string& step : steps()) EXPECT_THAT(step, testing::StartsWith("apply"));
}

TEST_F(InventoryTest, AWorkloadOfAnotherKindGoesWhenTheNewOneServes) {
  want("web", {deployment()});
  perform(serving());
  want("web", {daemon_set()});
  EXPECT_THAT(perform(), ElementsAre("apply DaemonSet system/a"));
  see(daemon_set(), serving());
  EXPECT_THAT(perform(), ElementsAre("delete Deployment system/a"));
}

TEST_F(InventoryTest, WhatOldPodsNeedGoesAfterThem) {
  want("web", {object(kAccount, "a", "web"), deployment()});
  perform(serving());
  infra::Object renamed = deployment("b");
  want("web", {object(kAccount, "b", "web"), renamed});
  perform();
  see(renamed, serving());
  EXPECT_THAT(perform(), ElementsAre("delete Deployment system/a", "delete ServiceAccount system/a"));
}

TEST_F(InventoryTest, AServiceGoesWhenTheNewOneHasItsAddress) {
  want("web", {deployment(), service()});
  perform(serving());
  see(service(), with_address());
  want("web", {deployment(), service("b")});
  EXPECT_THAT(perform(serving()), ElementsAre("apply Service system/b"));
  see(service("b"), with_address());
  EXPECT_THAT(perform(), ElementsAre("delete Service system/a"));
}

TEST_F(InventoryTest, ADeploymentThatSelectsOtherPodsIsMadeAnew) {
  infra::Object other = deployment();
  other.document["spec"]["selector"]["matchLabels"] = {{"app", "other"}};
  see(other);
  want("web", {deployment()});
  EXPECT_THAT(perform(), ElementsAre("delete Deployment system/a", "apply Deployment system/a"));
}

TEST_F(InventoryTest, ReplicasGoToAnAutoscalerAsTheyAre) {
  want("web", {deployment(), object(kAutoscaler, "a", "web")});
  see(deployment(), {{"spec", {{"replicas", 3}}},
                     {"metadata",
                      {{"managedFields",
                        {{{"manager", "sluice"},
                          {"operation", "Apply"},
                          {"fieldsV1", {{"f:spec", {{"f:replicas", json::object()}}}}}}}}}}});
  const std::vector<Step> first = inventory_.take_steps();
  ASSERT_THAT(texts(first), testing::Contains("keep replicas of Deployment system/a"));
  EXPECT_EQ(first.front().document["spec"], (json{{"replicas", 3}}));
  inventory_.done(first.front(), live(deployment()));
  EXPECT_THAT(steps(), ElementsAre("apply Deployment system/a"));
}

TEST_F(InventoryTest, WhatTheServerRefusesIsTriedAgainWhenItIsTime) {
  want("web", {service()});
  const std::vector<Step> sent = inventory_.take_steps();
  inventory_.failed(sent.front(), "it is too large");
  EXPECT_THAT(steps(), IsEmpty());
  EXPECT_EQ(inventory_.faults().at(service().key), "it is too large");
  EXPECT_EQ(inventory_.take_installations().at("default/web")->fault, "Service system/a: it is too large");
  inventory_.retry();
  EXPECT_THAT(perform(), ElementsAre("apply Service system/a"));
  EXPECT_THAT(inventory_.faults(), IsEmpty());
}

TEST_F(InventoryTest, AnAnswerToWhatIsNotWantedAnyMoreSaysNothing) {
  want("web", {service()});
  const std::vector<Step> first = inventory_.take_steps();
  infra::Object changed = service();
  changed.document["spec"]["type"] = "ClusterIP";
  want("web", {changed});
  const std::vector<Step> second = inventory_.take_steps();
  inventory_.done(first.front(), live(service()));
  EXPECT_THAT(steps(), IsEmpty()) << "the second is under way";
  const json answer = live(changed);
  inventory_.done(second.front(), answer);
  inventory_.seen(changed.key, &answer);
  EXPECT_THAT(steps(), IsEmpty());
}

TEST_F(InventoryTest, OfTwoProxiesThatWantOneObjectTheFirstHasItAndThenTheOther) {
  want("web", {deployment()});
  perform();
  infra::Object other = deployment();
  other.document["metadata"]["labels"] = labels_of("shop");
  want("shop", {other});
  EXPECT_THAT(perform(), IsEmpty());
  EXPECT_THAT(inventory_.take_installations().at("default/shop")->fault,
              testing::HasSubstr("Deployment system/a is another Gateway's already"));
  inventory_.want("default/web", nullptr);
  inventory_.release("default/web");
  EXPECT_THAT(perform(), ElementsAre("apply Deployment system/a"));
  EXPECT_EQ(inventory_.take_installations().at("default/shop")->fault, "");
}

TEST_F(InventoryTest, InstallationsSayWhatThereIs) {
  want("web", {deployment(), service()});
  perform(serving());
  see(service(), with_address());
  const auto told = inventory_.take_installations().at("default/web");
  ASSERT_TRUE(told && told->service);
  EXPECT_EQ(told->available, 1);
  EXPECT_EQ(told->service->ingress, std::vector<std::string>{"192.0.2.1"});
  EXPECT_THAT(inventory_.take_installations(), IsEmpty());
}

TEST_F(InventoryTest, WhatIsAboutToBeReplacedServes) {
  want("web", {deployment()});
  perform(serving());
  want("web", {daemon_set()});
  perform();
  EXPECT_EQ(inventory_.take_installations().at("default/web")->available, 1);
}

TEST_F(InventoryTest, AnInstallationIsNotKnownBeforeItsKindsAre) {
  Inventory fresh;
  fresh.want("default/web", std::make_shared<ProxyObjects>());
  EXPECT_THAT(fresh.take_installations(), IsEmpty());
}

TEST_F(InventoryTest, NodesMatterWhereAServiceHasPortsOfTheirs) {
  EXPECT_FALSE(inventory_.wants_nodes());
  want("web", {object(kService, "a", "web", {{"type", "NodePort"}})});
  EXPECT_TRUE(inventory_.wants_nodes());
  inventory_.want("default/web", nullptr);
  EXPECT_FALSE(inventory_.wants_nodes());
}

}  // namespace
}  // namespace sluice::control

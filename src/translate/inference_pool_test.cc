#include "translate/inference_pool.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "translate/testing.h"

namespace sluice::translate {
namespace {

api::Pod pod(std::string_view labels, std::string_view status) {
  return object_of<api::Pod>(fmt::format(
      "{{apiVersion: v1, kind: Pod, metadata: {{name: a, labels: {}}}, status: {}}}", labels, status));
}

api::InferencePoolSpec pool(std::string_view labels, std::string_view ports) {
  return object_of<api::InferencePool>(
             fmt::format(
                 "{{apiVersion: inference.networking.k8s.io/v1, kind: InferencePool, metadata: {{name: p}}, "
                 "spec: {{selector: {{matchLabels: {}}}, targetPorts: {}}}}}",
                 labels, ports))
      .spec;
}

std::vector<std::string> addresses(const api::InferencePoolSpec& of, const std::vector<api::Pod>& pods) {
  std::vector<const api::Pod*> pointers;
  for (const api::Pod& one : pods) pointers.push_back(&one);
  const ServiceEndpoints joined = join_pods(of, pointers);
  std::vector<std::string> all;
  for (const auto& [port, localities] : joined.by_port) {
    for (const ir::Locality& locality : localities) {
      for (const ir::Endpoint& e : locality.endpoints) all.push_back(fmt::format("{}:{}", e.address, e.port));
    }
  }
  return all;
}

using Addresses = std::vector<std::string>;

TEST(PoolMembers, EachPortOfAPodWithAllLabelsIsAnEndpoint) {
  EXPECT_EQ(
      addresses(pool("{app: llm, tier: gold}", "[{number: 8001}, {number: 8000}]"),
                {pod("{app: llm, tier: gold, more: x}", "{podIP: 10.0.0.2}"),
                 pod("{app: llm, tier: gold}", "{podIP: 10.0.0.1}"), pod("{app: llm}", "{podIP: 10.0.0.3}"),
                 pod("{app: llm, tier: silver}", "{podIP: 10.0.0.4}")}),
      (Addresses{"10.0.0.1:8000", "10.0.0.1:8001", "10.0.0.2:8000", "10.0.0.2:8001"}));
}

TEST(PoolMembers, APodIsReadyUnlessItsConditionsSayOtherwise) {
  const auto with = [](std::string_view conditions) {
    return addresses(pool("{app: llm}", "[{number: 80}]"),
                     {pod("{app: llm}", fmt::format("{{podIP: 10.0.0.1, conditions: {}}}", conditions))});
  };
  const Addresses there{"10.0.0.1:80"};
  EXPECT_EQ(with("[]"), there);
  EXPECT_EQ(with("[{type: Initialized, status: 'True'}, {type: Ready, status: 'True'}]"), there);
  EXPECT_EQ(with("[{type: Ready, status: 'False'}]"), Addresses());
  EXPECT_EQ(with("[{type: Ready, status: Unknown}]"), Addresses());
  EXPECT_EQ(with("[{type: Initialized, status: 'True'}]"), Addresses());
}

TEST(PoolMembers, APodThatIsBeingDeletedIsNoneThoughItIsReady) {
  api::Pod ending = pod("{app: llm}", "{podIP: 10.0.0.1, conditions: [{type: Ready, status: 'True'}]}");
  ending.metadata = object_of<api::Pod>(
                        "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: llm}, "
                        "deletionTimestamp: '2026-01-01T00:00:30Z'}}")
                        .metadata;
  EXPECT_EQ(addresses(pool("{app: llm}", "[{number: 80}]"), {ending, pod("{app: llm}", "{podIP: 10.0.0.2}")}),
            Addresses{"10.0.0.2:80"});
}

TEST(PoolMembers, WithoutAnAddressOfIpAPodIsNone) {
  EXPECT_EQ(addresses(pool("{app: llm}", "[{number: 80}]"),
                      {pod("{app: llm}", "{}"), pod("{app: llm}", "{podIP: gpu.example}"),
                       pod("{app: llm}", "{podIP: 'fd00::1'}")}),
            Addresses{"fd00::1:80"});
  const auto problems = check_pod({"default", "a"}, pod("{app: llm}", "{podIP: gpu.example}"));
  ASSERT_TRUE(problems.has_value());
  EXPECT_EQ(
      text_of(problems->problems.at(0)),
      "status.podIP: `gpu.example` is no IP address: the Pod is in no pool; write the address of the server "
      "[value/address]");
  EXPECT_FALSE(check_pod({"default", "a"}, pod("{app: llm}", "{}")).has_value());
}

TEST(PoolMembers, AnEmptyPoolNamesTheLabelThatWasPerhapsMeant) {
  const auto problem = [](const api::InferencePoolSpec& of,
                          const std::vector<api::Pod>& pods) -> std::string {
    std::vector<const api::Pod*> pointers;
    for (const api::Pod& one : pods) pointers.push_back(&one);
    const auto found = check_members({"default", "p"}, of, pointers);
    return found ? found->problems.at(0).suggestion : "";
  };
  const api::InferencePoolSpec llama = pool("{app: llama}", "[{number: 80}]");
  EXPECT_EQ(problem(llama, {}), "add a Pod for each server, with the labels and `status.podIP`");
  EXPECT_EQ(problem(llama, {pod("{app: lama}", "{podIP: 10.0.0.1}")}), "did you mean `lama`?");
  EXPECT_EQ(problem(llama, {pod("{apps: llama}", "{podIP: 10.0.0.1}")}), "did you mean `apps`?");
  EXPECT_EQ(problem(llama, {pod("{app: llama}", "{}")}), "");
  EXPECT_EQ(problem(pool("{app: llama, tier: gold}", "[{number: 80}]"),
                    {pod("{app: llama}", "{}"), pod("{tier: gold}", "{}")}),
            "no single Pod has all of them");
}

TEST(PoolMembers, APodIsFoundByTheLabelThatThePoolLooksFor) {
  const api::InferencePoolSpec gold = pool("{app: llm, tier: gold}", "[{number: 80}]");
  const std::vector<std::string> groups = label_groups(pod("{tier: gold, app: llm, zone: a}", "{}"));
  const std::string group = label_group({"default", "p"}, gold);
  EXPECT_EQ(std::ranges::count(groups, group), 1);
  EXPECT_EQ(std::ranges::count(groups, label_group({"other", "p"}, gold)), 0);
}

TEST(ModelRewriteOrder, RulesWithMatchesGoFirstThenOlderObjectsThenNames) {
  const auto rewrite = [](std::string_view created, std::string_view rules) {
    return object_of<api::InferenceModelRewrite>(fmt::format(
        "{{apiVersion: llm-d.ai/v1alpha2, kind: InferenceModelRewrite, metadata: {{name: r{}{}}}, spec: "
        "{{poolRef: {{name: p}}, rules: {}}}}}",
        created.empty() ? "" : ", creationTimestamp: ", created, rules));
  };
  const auto all_to = [](std::string_view model) {
    return fmt::format("[{{targets: [{{modelRewrite: {}}}]}}]", model);
  };
  const api::InferenceModelRewrite young = rewrite("'2026-02-01T00:00:00Z'", all_to("young"));
  const api::InferenceModelRewrite old = rewrite("'2026-01-01T00:00:00Z'", all_to("old"));
  const api::InferenceModelRewrite timeless = rewrite("", all_to("timeless"));
  const api::InferenceModelRewrite exact =
      rewrite("", "[{matches: [{model: {value: m}}], targets: [{modelRewrite: exact}]}, {matches: []}]");
  std::vector<std::string> order;
  for (const api::ModelRewriteRule& rule : order_rewrites({{{"default", "a"}, &timeless},
                                                           {{"default", "b"}, &young},
                                                           {{"default", "c"}, &old},
                                                           {{"default", "d"}, &exact}})) {
    order.push_back(rule.targets.at(0).model);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"exact", "old", "young", "timeless"}));
}

// Gateways g00, g01, … that have each accepted a route to the pool.
std::vector<PoolUse> used_by(std::size_t count) {
  std::vector<PoolUse> uses;
  for (std::size_t i = 0; i < count; ++i)
    uses.push_back({.gateway = {"default", fmt::format("g{:02}", i)}, .accepted = true});
  return uses;
}

std::vector<std::string> parents(const std::vector<PoolUse>& uses) {
  std::vector<std::string> names;
  for (const auto& [parent, conditions] : pool_status({}, {}, uses).parents) names.push_back(parent.name);
  return names;
}

TEST(PoolStatus, HasAllGatewaysThatThereIsRoomFor) {
  const std::vector<std::string> names = parents(used_by(32));
  ASSERT_EQ(names.size(), 32U);
  EXPECT_EQ(names.back(), "g31");
}

TEST(PoolStatus, OfMoreGatewaysItHasTheFirstByName) {
  std::vector<PoolUse> uses = used_by(40);
  std::ranges::reverse(uses);
  const std::vector<std::string> names = parents(uses);
  ASSERT_EQ(names.size(), 32U);
  EXPECT_EQ(names.front(), "g00");
  EXPECT_EQ(names.back(), "g31");
}

TEST(PoolStatus, AGatewayWithoutAnAcceptedRouteIsNotLeftOut) {
  std::vector<PoolUse> uses = used_by(40);
  uses[39].accepted = false;
  const std::vector<std::string> names = parents(uses);
  ASSERT_EQ(names.size(), 32U);
  EXPECT_EQ(names.front(), "g39");
  EXPECT_EQ(names.back(), "g30");
}

TEST(PoolStatus, TheLastGatewayNamesThoseThatAreLeftOut) {
  const Conditions conditions = pool_status({}, {}, used_by(33)).parents.back().second;
  ASSERT_NE(find_condition(conditions, "Aggregated"), nullptr);
  EXPECT_EQ(find_condition(conditions, "Aggregated")->message,
            "A status has room for 32 parents. Without one of their own here are Gateway default/g32");
}

}  // namespace
}  // namespace sluice::translate

#include "cli/pool_files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "control/picker_plan.h"
#include "source/files.h"

namespace sluice::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

source::Batch read(const std::string& text) {
  const std::string file =
      std::filesystem::temp_directory_path() / ("pool_files_test." + std::to_string(::getpid()) + ".yaml");
  std::ofstream(file) << text;
  source::Batch batch;
  source::read_files({file}, &batch);
  std::filesystem::remove(file);
  EXPECT_THAT(batch.problems, IsEmpty());
  return batch;
}

std::string pool(const std::string& name, const std::string& app) {
  return "---\n{apiVersion: inference.networking.k8s.io/v1, kind: InferencePool, metadata: {name: " + name +
         "}, spec: {selector: {matchLabels: {app: " + app + "}}, targetPorts: [{number: 8000}]}}\n";
}
std::string pod(const std::string& name, const std::string& labels, const std::string& ip) {
  return "---\n{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", labels: " + labels +
         "}, status: {podIP: " + ip + "}}\n";
}
std::string objective(const std::string& name, const std::string& of, int priority) {
  return "---\n{apiVersion: llm-d.ai/v1alpha2, kind: InferenceObjective, metadata: {name: " + name +
         "}, spec: {poolRef: {name: " + of + "}, priority: " + std::to_string(priority) + "}}\n";
}

std::vector<std::string> addresses(const translate::PickerPlan& plan) {
  std::vector<std::string> all;
  for (const auto& server : plan.servers) all.push_back(server.address);
  return all;
}
std::string why_not(const PoolFiles& files) {
  const auto plan = files.plan();
  return plan ? "" : plan.error().message + "; " + plan.error().suggestion;
}

TEST(PoolFiles, HaveThePodsObjectivesAndRewritesOfTheirPool) {
  PoolFiles files("");
  files.apply(
      read(pool("llama", "llama") + pod("two", "{app: llama, llm-d.ai/role: prefill}", "10.0.0.2") +
           pod("one", "{app: llama}", "10.0.0.1") + pod("other", "{app: qwen}", "10.0.0.3") +
           objective("batch", "llama", -1) + objective("else", "qwen", 5) +
           "---\n{apiVersion: llm-d.ai/v1alpha2, kind: InferenceModelRewrite, metadata: {name: r}, spec: "
           "{poolRef: {name: llama}, rules: [{targets: [{modelRewrite: new}]}]}}\n"));
  const auto planned = files.plan();
  ASSERT_TRUE(planned);
  const translate::PickerPlan* plan = &planned->plan;
  EXPECT_THAT(addresses(*plan), ElementsAre("10.0.0.1:8000", "10.0.0.2:8000"));
  EXPECT_EQ(control::endpoints_of(*plan).at(1).labels.at("llm-d.ai/role"), "prefill");
  EXPECT_EQ(plan->priorities, (std::map<std::string, int, std::less<>>{{"batch", -1}}));
  ASSERT_EQ(control::rules_of(*plan).rewrites.size(), 1U);
  EXPECT_EQ(control::rules_of(*plan).rewrites.at(0).targets.at(0).model, "new");
}

TEST(PoolFiles, FollowWhatComesAndGoes) {
  PoolFiles files("llama");
  const source::Batch both = read(pool("llama", "llama") + pod("one", "{app: llama}", "10.0.0.1"));
  files.apply(both);
  files.apply(read(pod("two", "{app: llama}", "10.0.0.2")));
  EXPECT_THAT(addresses(files.plan()->plan), ElementsAre("10.0.0.1:8000", "10.0.0.2:8000"));
  source::Batch gone;
  gone.deleted.push_back({.kind = api::kind_of<api::Pod>(), .name = {"default", "one"}});
  files.apply(gone);
  EXPECT_THAT(addresses(files.plan()->plan), ElementsAre("10.0.0.2:8000"));
  gone.deleted = {{.kind = api::kind_of<api::InferencePool>(), .name = {"default", "llama"}}};
  files.apply(gone);
  EXPECT_EQ(why_not(files), "there is no InferencePool in these files; ");
}

std::string config_map(const std::string& plugin) {
  return "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: decide}, data: {c: '{apiVersion: "
         "llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [{type: " +
         plugin + "}]}'}}\n";
}
std::string pool_by_config(const std::string& map) {
  return "---\n{apiVersion: inference.networking.k8s.io/v1, kind: InferencePool, metadata: {name: llama, "
         "annotations: {sluice.dev/picker-config: " +
         map + "}}, spec: {selector: {matchLabels: {app: llama}}, targetPorts: [{number: 8000}]}}\n";
}

TEST(PoolFiles, HaveTheConfigurationThatThePoolNames) {
  PoolFiles files("");
  files.apply(read(pool_by_config("decide") + config_map("queue-scorer")));
  ASSERT_TRUE(files.plan());
  EXPECT_THAT(files.plan()->problems, IsEmpty());
  EXPECT_THAT(files.plan()->plan.config, testing::Optional(testing::HasSubstr("queue-scorer")));
}

TEST(PoolFiles, AConfigurationThatIsNoGoodIsToldAndNotTaken) {
  PoolFiles files("");
  files.apply(read(pool_by_config("decide") + config_map("queue-scorrer")));
  ASSERT_TRUE(files.plan());
  EXPECT_EQ(files.plan()->plan.config, std::nullopt);
  ASSERT_EQ(files.plan()->problems.size(), 1U);
  EXPECT_EQ(files.plan()->problems[0].path, "data[c].plugins[0].type");
}

TEST(PoolFiles, AConfigMapThatIsNotThereIsToldWithTheNearestName) {
  PoolFiles files("");
  files.apply(read(pool_by_config("decid") + config_map("queue-scorer")));
  ASSERT_TRUE(files.plan());
  ASSERT_EQ(files.plan()->problems.size(), 1U);
  EXPECT_EQ(files.plan()->problems[0].message, "there is no ConfigMap default/decid");
  EXPECT_EQ(files.plan()->problems[0].suggestion, "did you mean `decide`?");
}

TEST(PoolFiles, SayWhichPoolsThereAre) {
  const source::Batch two = read(pool("llama", "a") + pool("qwen", "b"));
  PoolFiles any("");
  any.apply(two);
  EXPECT_EQ(why_not(any),
            "there are several InferencePools: default/llama, default/qwen; say which by --pool");
  PoolFiles missing("lama");
  missing.apply(two);
  EXPECT_EQ(why_not(missing),
            "there is no InferencePool `default/lama` in these files; did you mean `default/llama`?");
  PoolFiles named("default/qwen");
  named.apply(two);
  EXPECT_EQ(why_not(named), "");
}

}  // namespace
}  // namespace sluice::cli

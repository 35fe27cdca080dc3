#include "picker/module/pool_file.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What is wrong with it, as lines.
std::vector<std::string> wrong(std::string_view json) {
  std::vector<Problem> problems;
  const auto contents = read_pool_contents(json, "pool.json", &problems);
  EXPECT_EQ(contents.has_value(), problems.empty());
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    EXPECT_EQ(problem.where.file, "pool.json");
    lines.push_back(problem.path + ": " + problem.message);
  }
  return lines;
}

TEST(PoolFile, HasServersPrioritiesAndRewrites) {
  std::vector<Problem> problems;
  const auto contents = read_pool_contents(
      R"({"servers": [{"address": "10.0.0.1:8000", "labels": {"zone": "a", "llm-d.ai/role": "decode"}},
                      {"address": "[fd00::1]:8000"}],
          "objectives": {"batch": -1},
          "rewrites": [{"models": ["chat"], "targets": [{"model": "old", "weight": 9}, {"model": "new"}]},
                       {"targets": [{"model": "any", "weight": 0}]}]})",
      "pool.json", &problems);
  ASSERT_THAT(problems, IsEmpty());
  ASSERT_TRUE(contents);
  const Endpoint first{
      .address = "10.0.0.1:8000", .labels = {{"llm-d.ai/role", "decode"}, {"zone", "a"}}, .models = {}};
  const Endpoint second{.address = "[fd00::1]:8000", .labels = {}, .models = {}};
  EXPECT_THAT(contents->endpoints, ElementsAre(first, second));
  EXPECT_EQ(contents->rules.priorities.at("batch"), -1);
  EXPECT_THAT(contents->rules.rewrites,
              ElementsAre(ModelRewrite{{"chat"}, {{"old", 9}, {"new", 1}}}, ModelRewrite{{}, {{"any", 0}}}));
}

TEST(PoolFile, MayBeOfAPoolWithoutServers) {
  std::vector<Problem> problems;
  const auto contents = read_pool_contents("{}", "pool.json", &problems);
  ASSERT_TRUE(contents);
  EXPECT_THAT(contents->endpoints, IsEmpty());
}

TEST(PoolFile, MayHaveAConfig) {
  std::vector<Problem> problems;
  const auto contents = read_pool_contents(
      R"({"config": {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig",
                     "plugins": [{"type": "queue-scorer"}, {"type": "endpoint-attribute-scorer"}]}})",
      "pool.json", &problems);
  ASSERT_TRUE(contents);
  ASSERT_TRUE(contents->config);
  EXPECT_EQ(contents->config->profile.serve.scorers, (std::vector<Scorer>{{.by = Score::kQueue}}));
  EXPECT_FALSE(read_pool_contents("{}", "pool.json", &problems)->config.has_value());
}

TEST(PoolFile, MaySayWhereMetricsAreAndThatAnswersAreNotRead) {
  std::vector<Problem> problems;
  const auto contents =
      read_pool_contents(R"({"metricsAt": "https://:8002", "readResponses": false})", "pool.json", &problems);
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->metrics, (Source{.tls = true, .port = 8002, .path = "/metrics"}));
  EXPECT_FALSE(contents->read_responses);
  EXPECT_TRUE(read_pool_contents("{}", "pool.json", &problems)->read_responses);
  EXPECT_THAT(wrong(R"({"metricsAt": "metrics"})"),
              ElementsAre(HasSubstr("metricsAt: `metrics` is no place")));
}

TEST(PoolFile, IsRefusedWithThePlaceOfWhatIsWrong) {
  EXPECT_THAT(wrong("{"), ElementsAre(HasSubstr(": ")));
  EXPECT_THAT(wrong(""), ElementsAre(HasSubstr("there is not one pool")));
  EXPECT_THAT(wrong(R"({"server": []})"), ElementsAre(HasSubstr("unknown field `server`")));
  EXPECT_THAT(wrong(R"({"servers": [{"address": "host:1"}]})"),
              ElementsAre(HasSubstr("servers[0].address: `host:1` is no IP address with a port")));
  EXPECT_THAT(wrong(R"({"servers": [{"address": "10.0.0.1:1, 10.0.0.2:1"}]})"),
              ElementsAre("servers[0].address: this is not one address"));
  EXPECT_THAT(wrong(R"({"config": {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig",
                                   "plugins": [{"type": "queue-scorr"}]}})"),
              ElementsAre(HasSubstr("config.plugins[0].type: there is no plugin of type `queue-scorr`")));
  EXPECT_THAT(wrong(R"({"rewrites": [{"targets": [{"model": "a", "weight": -1}]}]})"),
              ElementsAre(HasSubstr("rewrites[0].targets[0].weight")));
}

}  // namespace
}  // namespace sluice::picker

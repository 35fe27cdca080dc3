#include "picker/module/settings.h"

#include <chrono>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What is wrong with a filter's configuration, as lines.
std::vector<std::string> wrong(std::string_view json) {
  std::vector<Problem> problems;
  const auto settings = read_filter_settings(json, &problems);
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    std::string line = problem.where.file;
    if (problem.where.line != 0)
      line += ":" + std::to_string(problem.where.line) + ":" + std::to_string(problem.where.column);
    lines.push_back(line + " " + problem.path + ": " + problem.message +
                    (problem.suggestion.empty() ? "" : "; " + problem.suggestion));
  }
  EXPECT_EQ(settings.has_value(), lines.empty());
  return lines;
}

FilterSettings read(std::string_view json) {
  std::vector<Problem> problems;
  auto settings = read_filter_settings(json, &problems);
  EXPECT_THAT(problems, IsEmpty());
  return settings.value_or(FilterSettings{});
}

TEST(FilterSettings, HaveTheDefaultsOfThePicker) {
  const FilterSettings settings = read(R"({"pool": "llama", "endpoints": ["10.0.0.1:8000 role=decode"]})");
  EXPECT_EQ(settings.pool.name, "llama");
  EXPECT_FALSE(settings.pool.is_reference);
  EXPECT_TRUE(settings.read_responses);
  ASSERT_EQ(settings.pool.endpoints.size(), 1U);
  EXPECT_EQ(settings.pool.endpoints[0].labels.at("llm-d.ai/role"), "decode");
  EXPECT_EQ(settings.pool.options.pool.max_body_bytes, PoolOptions().max_body_bytes);
  EXPECT_EQ(settings.pool.options.pool.body_timeout, PoolOptions().body_timeout);
  EXPECT_EQ(settings.pool.options.scrape.interval, ScrapeOptions().interval);
  EXPECT_EQ(settings.pool.options.series, default_series());
}

TEST(FilterSettings, TakeAllThatThePickerTakes) {
  const FilterSettings settings = read(R"({
    "pool": "llama", "endpointsFile": "/pool", "objectives": {"batch": -1}, "metrics": ["waiting=q"],
    "metricsInterval": "20ms", "metricsIdleInterval": "2s", "bodyTimeout": "5s", "maxBodyBytes": 10,
    "maxHeldBytes": 20, "refuseUnknown": true, "readResponses": false,
    "config": {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig",
               "plugins": [{"type": "queue-scorer"}]}})");
  const PoolOptions& pool = settings.pool.options.pool;
  EXPECT_EQ(settings.pool.endpoints_file, "/pool");
  EXPECT_EQ(pool.rules.priorities.at("batch"), -1);
  EXPECT_EQ(pool.max_body_bytes, 10U);
  EXPECT_EQ(pool.max_held_bytes, 20U);
  EXPECT_EQ(pool.body_timeout, std::chrono::seconds(5));
  EXPECT_FALSE(pool.pass_unknown);
  EXPECT_FALSE(settings.read_responses);
  EXPECT_EQ(settings.pool.options.scrape.interval, std::chrono::milliseconds(20));
  EXPECT_EQ(settings.pool.options.scrape.idle_interval, std::chrono::seconds(2));
  ASSERT_EQ(settings.pool.options.series.size(), 1U);
  EXPECT_EQ(settings.pool.options.series[0].family, "q");
}

TEST(FilterSettings, MayHaveAllOfAPool) {
  const FilterSettings settings =
      read(R"({"pool": "a", "contents": {"servers": [{"address": "10.0.0.1:8000"}], "keepConfig": true}})");
  EXPECT_FALSE(settings.pool.is_reference);
  ASSERT_TRUE(settings.pool.contents.has_value());
  ASSERT_EQ(settings.pool.contents->endpoints.size(), 1U);
  EXPECT_EQ(settings.pool.contents->endpoints[0].address, "10.0.0.1:8000");
  EXPECT_TRUE(settings.pool.contents->keep_config);
  EXPECT_EQ(settings.pool.identity,
            read(R"({"pool": "a", "contents": {"objectives": {"batch": -1}}})").pool.identity);
}

TEST(FilterSettings, TellThePlaceOfWhatIsWrongWithThePool) {
  EXPECT_THAT(wrong(R"({"pool": "a", "contents": {"servers": [{"address": "nowhere"}]}})"),
              ElementsAre(HasSubstr("contents.servers[0].address")));
  EXPECT_THAT(wrong(R"({"pool": "a", "contents": {}, "endpoints": []})"),
              ElementsAre(HasSubstr("contents: it has the pool's endpoints and objectives")));
}

TEST(FilterSettings, SayWhereMetricsAreUnlessTheConfigDoes) {
  const auto metrics_of = [](std::string_view rest) {
    return read(fmt::format(R"({{"pool": "a", "endpoints": []{}}})", rest))
        .pool.options.scrape.sources.metrics;
  };
  EXPECT_EQ(metrics_of(""), Sources{}.metrics);
  EXPECT_EQ(metrics_of(R"(, "metricsAt": "https://:8443/m", "metricsCA": "/ca.crt")"),
            (Source{.tls = true, .port = 8443, .path = "/m", .verify = true, .authorities = "/ca.crt"}));
  EXPECT_EQ(metrics_of(R"(, "metricsAt": "https://", "metricsCA": "system")"),
            (Source{.tls = true, .path = "/metrics", .verify = true}));
  EXPECT_EQ(metrics_of(R"(, "metricsAt": ":1", "config": {"apiVersion": "llm-d.ai/v1alpha1",
                 "kind": "EndpointPickerConfig", "plugins": [{"type": "metrics-data-source",
                 "parameters": {"port": 2}}]})"),
            (Source{.port = 2, .path = "/metrics"}));
}

TEST(FilterSettings, WithANameAloneAreAReference) {
  EXPECT_TRUE(read(R"({"pool": "llama"})").pool.is_reference);
  EXPECT_FALSE(read(R"({"pool": "llama", "endpoints": []})").pool.is_reference);
}

TEST(FilterSettings, AreTheSamePoolWhateverTheEndpoints) {
  const auto identity = [](std::string_view json) { return read(json).pool.identity; };
  const std::string one = identity(R"({"pool": "llama", "endpoints": ["10.0.0.1:1"]})");
  EXPECT_EQ(identity(R"({"pool": "llama", "endpoints": ["10.0.0.2:1"], "readResponses": false})"), one);
  EXPECT_NE(identity(R"({"pool": "llama", "endpoints": [], "objectives": {"x": 1}})"), one);
  EXPECT_NE(identity(R"({"pool": "llama", "endpoints": [], "bodyTimeout": "1s"})"), one);
  EXPECT_NE(identity(R"({"pool": "llama", "endpoints": [], "metrics": ["waiting=q"]})"), one);
  EXPECT_NE(identity(R"({"pool": "llama", "endpoints": [], "metricsAt": ":8002"})"), one);
}

TEST(FilterSettings, SayWhereTheyAreWrong) {
  EXPECT_THAT(wrong("{\n  \"pool\": \"llama\",\n  \"endpiont\": []}"),
              ElementsAre("config:3:3 endpiont: unknown field `endpiont`; did you mean `endpoints`?"));
  EXPECT_THAT(wrong("{"), ElementsAre(HasSubstr("config:1:")));
  EXPECT_THAT(wrong("{}"), ElementsAre(HasSubstr("name the pool")));
  EXPECT_THAT(wrong(""), ElementsAre(HasSubstr("there is no configuration")));
  EXPECT_THAT(wrong(R"({"pool": "a", "endpoints": ["10.0.0.1:1", "host:1"]})"),
              ElementsAre(HasSubstr("config endpoints[1]: `host:1` is no IP address with a port")));
  EXPECT_THAT(wrong(R"({"pool": "a", "endpoints": [], "bodyTimeout": "0s"})"),
              ElementsAre("config bodyTimeout: less than a millisecond"));
  EXPECT_THAT(wrong(R"({"pool": "a", "endpoints": [], "metrics": ["waiting"]})"),
              ElementsAre(HasSubstr("config metrics[0]: ")));
  EXPECT_THAT(wrong(R"({"pool": "a", "maxBodyBytes": 0})"), ElementsAre(HasSubstr("config:1:")));
  EXPECT_THAT(wrong(R"({"pool": "a", "metricsAt": "metrics"})"),
              ElementsAre(HasSubstr("config metricsAt: `metrics` is no place to ask for metrics")));
  EXPECT_THAT(wrong(R"({"pool": "a", "metricsCA": "ca.crt"})"),
              ElementsAre(HasSubstr("config metricsCA: without `metricsAt`, nobody is asked by https")));
  EXPECT_THAT(wrong(R"({"pool": "a", "metricsAt": ":8002", "metricsCA": "ca.crt"})"),
              ElementsAre(HasSubstr("config metricsAt: `:8002` is asked without a certificate")));
}

TEST(FilterSettings, HaveAFileForAllThatChanges) {
  std::vector<Problem> problems;
  const auto settings = read_filter_settings(R"({"pool": "default/llama", "poolFile": "/pool"})", &problems);
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->pool.pool_file, "/pool");
  EXPECT_FALSE(settings->pool.is_reference);
  EXPECT_THAT(wrong(R"({"pool": "a", "poolFile": "/pool", "objectives": {"batch": -1}})"),
              ElementsAre(HasSubstr("config poolFile: the file has the pool's endpoints and objectives")));
}

TEST(FilterSettings, SayWhereAProfileIsWrong) {
  EXPECT_THAT(
      wrong(R"({"pool": "a", "config": {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig",
    "plugins": [{"type": "queue-scorrer"}]}})"),
      ElementsAre("config:2:26 config.plugins[0].type: there is no plugin of type `queue-scorrer`; "
                  "did you mean `queue-scorer`?"));
  EXPECT_THAT(wrong(R"({"pool": "a", "config": {"kind": "EndpointPickerConfig"}})"),
              testing::Contains(HasSubstr("apiVersion")));
}

TEST(BootstrapSettings, HavePoolsWithEndpoints) {
  std::vector<Problem> problems;
  const auto pools = read_bootstrap_settings(
      R"({"pools": [{"pool": "a", "endpoints": []}, {"pool": "b", "endpointsFile": "/b"}]})", &problems);
  EXPECT_THAT(problems, IsEmpty());
  ASSERT_TRUE(pools);
  EXPECT_EQ(pools->size(), 2U);
  for (const std::string_view json :
       {R"({"pools": [{"pool": "a"}]})",
        R"({"pools": [{"pool": "a", "endpoints": []}, {"pool": "a", "endpoints": []}]})", "{}",
        R"({"pools": [{"pool": "a", "endpoints": [], "readResponses": true}]})"}) {
    problems.clear();
    EXPECT_FALSE(read_bootstrap_settings(json, &problems)) << json;
    EXPECT_EQ(problems.size(), 1U) << json;
  }
}

}  // namespace
}  // namespace sluice::picker

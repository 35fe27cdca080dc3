#include "picker/config/config.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "picker/config/plugins.h"

namespace sluice::picker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Read {
  std::optional<Profile> profile;
  std::optional<Config> config;
  std::vector<std::string> problems;  // "3:9 code: message; suggestion"
};

Read read(std::string_view text) {
  std::vector<Problem> problems;
  Read result;
  result.config = read_config(text, "config.yaml", &problems);
  if (result.config) result.profile = result.config->profile;
  for (const Problem& problem : problems) {
    EXPECT_EQ(problem.where.file, "config.yaml");
    result.problems.push_back(fmt::format("{}:{} {}{}: {}{}{}", problem.where.line, problem.where.column,
                                          problem.severity == Severity::kWarning ? "warning " : "",
                                          problem.code, problem.message,
                                          problem.suggestion.empty() ? "" : "; ", problem.suggestion));
  }
  return result;
}

// With the two lines that each file begins with.
Read read_body(const std::string& body) {
  return read("apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n" + body);
}

TEST(Config, ReadsTheDefaultProfileOfLlmD) {
  for (const char* version : {"llm-d.ai/v1alpha1", "inference.networking.x-k8s.io/v1alpha1"}) {
    const Read config = read(fmt::format(R"(apiVersion: {}
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: prefix-cache-scorer
- type: max-score-picker
- type: single-profile-handler
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
    weight: 2
  - pluginRef: kv-cache-utilization-scorer
    weight: 2
  - pluginRef: prefix-cache-scorer
    weight: 3
  - pluginRef: max-score-picker
)",
                                         version));
    EXPECT_THAT(config.problems, IsEmpty());
    ASSERT_TRUE(config.profile.has_value());
    const Profile& profile = *config.profile;
    EXPECT_THAT(profile.serve.scorers, ElementsAre(Scorer{Score::kQueue, 2}, Scorer{Score::kKvUsage, 2},
                                                   Scorer{Score::kPrefixCache, 3}));
    EXPECT_EQ(profile.serve.choice, Choice::kMaxScore);
    EXPECT_FALSE(profile.prefill.has_value());
    EXPECT_FALSE(profile.admission.queue);
  }
}

TEST(Config, AMistakeInParametersIsOneProblem) {
  EXPECT_EQ(read_body(R"(plugins:
- type: decode-filter
- type: disagg-profile-handler
  parameters: {decider: x}
)")
                .problems.size(),
            1U);
}

TEST(Config, ReadsDisaggregatedPrefill) {
  for (const char* handler : {"type: pd-profile-handler\n  parameters: {deciderPluginName: decider}",
                              "type: disagg-profile-handler\n  parameters: {deciders: {prefill: decider}}",
                              "type: pd-profile-handler\n  parameters: {threshold: 16}"}) {
    const Read config = read_body(fmt::format(R"(plugins:
- type: prefill-filter
- type: decode-filter
- type: prefix-cache-scorer
- type: prefix-based-pd-decider
  name: decider
  parameters: {{nonCachedTokens: 16}}
- {}
schedulingProfiles:
- name: prefill
  plugins:
  - pluginRef: prefill-filter
  - pluginRef: prefix-cache-scorer
- name: decode
  plugins:
  - pluginRef: decode-filter
)",
                                              handler));
    EXPECT_THAT(config.problems, IsEmpty()) << handler;
    ASSERT_TRUE(config.profile.has_value());
    ASSERT_TRUE(config.profile->prefill.has_value());
    EXPECT_EQ(config.profile->prefill_threshold, 16);
    EXPECT_THAT(config.profile->prefill->scorers, ElementsAre(Scorer{Score::kPrefixCache, 1}));
    ASSERT_EQ(config.profile->serve.filters.size(), 1);
    EXPECT_EQ(config.profile->serve.filters[0].label, "llm-d.ai/role");
    EXPECT_TRUE(config.profile->serve.filters[0].allow_without);
    EXPECT_FALSE(config.profile->prefill->filters[0].allow_without);
  }
}

TEST(Config, ReadsFiltersByLabel) {
  const Read config = read_body(R"(plugins:
- type: by-label
  parameters: {label: tier, validValues: [fast], allowsNoLabel: true}
- type: by-label-selector
  parameters:
    matchLabels: {app: llm}
    matchExpressions:
    - {key: gpu, operator: NotIn, values: [T4]}
    - {key: ready, operator: Exists}
)");
  EXPECT_THAT(config.problems, IsEmpty());
  ASSERT_TRUE(config.profile.has_value());
  EXPECT_THAT(config.profile->serve.filters,
              testing::UnorderedElementsAre(
                  LabelFilter{"tier", {"fast"}, true, false}, LabelFilter{"app", {"llm"}, false, false},
                  LabelFilter{"gpu", {"T4"}, false, true}, LabelFilter{"ready", {}, false, false}));
}

TEST(Config, ReadsFlowControl) {
  const Read config = read_body(R"(featureGates: [flowControl]
plugins:
- type: lowest-cost-picker
  parameters: {maxNumOfEndpoints: 2}
flowControl: {maxBytes: 1Gi, maxRequests: 1k, defaultRequestTTL: 60s}
saturationDetector: {queueDepthThreshold: 8, kvCacheUtilThreshold: 0.9}
)");
  EXPECT_THAT(config.problems, IsEmpty());
  ASSERT_TRUE(config.profile.has_value());
  const Profile& profile = *config.profile;
  EXPECT_EQ(profile.serve.choice, Choice::kLowestCost);
  EXPECT_EQ(profile.serve.fallbacks, 1);
  EXPECT_TRUE(profile.admission.queue);
  EXPECT_EQ(profile.admission.max_queued_bytes, 1 << 30);
  EXPECT_EQ(profile.admission.max_queued, 1000);
  EXPECT_EQ(profile.admission.time_to_live, std::chrono::seconds(60));
  EXPECT_EQ(profile.admission.queue_depth, 8);
  EXPECT_EQ(profile.admission.kv_usage, 0.9);
}

TEST(Config, ReadsRateLimitsAndObjectives) {
  const Read config = read_body(R"(featureGates: [flowControl]
plugins:
- type: lowest-cost-picker
  parameters: {firstTokenObjective: 4s, tokenObjective: 50ms}
- type: rate-limit
  parameters: {tokensPerSecond: 20000}
- type: rate-limit
  name: a-free-tenant
  parameters: {model: chat, fairnessID: free, requestsPerSecond: 0.5, burst: 10s}
)");
  EXPECT_THAT(config.problems, IsEmpty());
  ASSERT_TRUE(config.profile.has_value());
  EXPECT_EQ(config.profile->serve.choice, Choice::kLowestCost);
  EXPECT_EQ(config.profile->admission.objective, std::chrono::seconds(4));
  EXPECT_EQ(config.profile->admission.token_objective, std::chrono::milliseconds(50));
  EXPECT_THAT(config.profile->limits,
              ElementsAre(RateLimit{"", "", 0, 20000, 1}, RateLimit{"chat", "free", 0.5, 0, 10}));
}

// Everything that is wrong has its place, and a way out where there is one.
TEST(Config, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"plugins:\n- type: queue-scorrer\n",
       "4:9 reference/plugin: there is no plugin of type `queue-scorrer`; did you mean `queue-scorer`?"},
      {"plugins:\n- type: precise-prefix-cache-scorer\n",
       "4:9 warning support/plugin: llm-d's plugin `precise-prefix-cache-scorer` is missing here and left "
       "out"},
      {"plugins:\n- type: queue-scorer\n- type: queue-scorer\n",
       "5:3 schema/duplicate: a second plugin named `queue-scorer`; give one of them a `name`"},
      {"plugins:\n- type: queue-scorer\nschedulingProfiles:\n- name: a\n  plugins:\n  - pluginRef: "
       "queue-score\n",
       "8:16 reference/plugin: there is no plugin named `queue-score` in this file; did you mean "
       "`queue-scorer`?"},
      {"plugins: []\nschedulingProfiles:\n- name: a\n  plugins:\n  - pluginRef: queue-scorer\n",
       "7:16 reference/plugin: there is no plugin named `queue-scorer` in this file; add `- type: "
       "queue-scorer` "
       "to `plugins`"},
      {"plugins:\n- type: prefix-cache-scorer\n  parameters:\n    lruCapacityPerServer: 31250\n",
       "6:27 warning support/no-effect: a parameter of `prefix-cache-scorer` that has no effect here"},
      {"plugins:\n- type: by-label\n  parameters: {label: a, validValue: [b]}\n",
       "5:26 schema/unknown-field: unknown field `validValue`; did you mean `validValues`?"},
      {"plugins:\n- type: lowest-cost-picker\n- type: queue-scorer\nschedulingProfiles:\n- name: a\n  "
       "plugins:\n"
       "  - pluginRef: lowest-cost-picker\n  - pluginRef: queue-scorer\n",
       "10:5 warning support/no-effect: the picker of this profile does not look at scores"},
      {"plugins:\n- type: pd-profile-handler\nschedulingProfiles:\n- name: decoder\n",
       "4:3 reference/profile: there is no scheduling profile named `decode`; did you mean `decoder`?"},
      {"plugins:\n- type: burst-prefix-cache-producer\n",
       "4:9 warning support/plugin: llm-d's plugin `burst-prefix-cache-producer` is missing here and left "
       "out"},
      {"plugins:\n- type: session-affinity-scorer\n  parameters: {strategy: session_id}\n",
       "5:26 warning support/no-effect: sessions are known here by their token alone, and not by "
       "`session_id`"},
      {"plugins:\n- type: metrics-data-source\n- type: metrics-data-source\n  name: other\n",
       "5:3 warning support/no-effect: servers are asked at one place: at that of the plugin before"},
      {"plugins:\n- type: metrics-data-source\n  parameters: {path: a b}\n",
       "5:22 schema/format: `a b` is no path; write one as `/metrics`"},
      {"plugins:\n- type: metrics-data-source\n  parameters: {scheme: https, caCertPath: a}\n",
       "5:43 warning support/no-effect: without `insecureSkipVerify: false`"},
      {"plugins:\n- type: metrics-data-source\n  parameters: {caCertPath: a}\n",
       "5:28 warning support/no-effect: without `scheme: https`"},
      {"plugins:\n- type: core-metrics-extractor\n  parameters: {engineConfigs: [{name: mine}]}\n",
       "5:31 warning support/no-effect: a parameter of `core-metrics-extractor` that has no effect here"},
      {"plugins: []\ndataLayer: {sources: [{pluginRef: a, interval: 1s}]}\n",
       "4:48 warning support/no-effect: `interval` is checked, but has no effect yet"},
      {"plugins: []\nfeatureGates: [dataLayer]\n",
       "4:16 warning support/no-effect: a feature gate that has no effect here"},
      {"plugins: []\nflowControl: {maxBytes: 1 GB}\n",
       "4:25 schema/format: expected a whole number, as in `1000`, `1k` or `1Gi`"},
      {"plugins:\n- type: rate-limit\n  parameters: {model: chat}\n",
       "4:3 schema/required: a rate limit that limits nothing; set `requestsPerSecond`, `tokensPerSecond` or "
       "both to more than 0"},
      {"plugins:\n- type: rate-limit\n  parameters: {tokensPerSecond: -1}\n",
       "5:33 schema/range: `tokensPerSecond` must be more than 0"},
      {"plugins:\n- type: rate-limit\n  parameters: {tokensPerSecond: 1, burst: 0s}\n",
       "5:43 schema/range: `burst` must be more than 0s"},
      {"plugins:\n- type: rate-limit\n  parameters: {tokenPerSecond: 1}\n",
       "5:16 schema/unknown-field: unknown field `tokenPerSecond`; did you mean `tokensPerSecond`?"},
      {"plugins: []\n---\nplugins: []\n", "0:0 schema/required: more than one document in this file"},
  };
  for (const auto& [body, problem] : cases) {
    EXPECT_THAT(read_body(body).problems, ElementsAre(problem)) << body;
  }
}

TEST(Config, ReadsWhereServersAreAsked) {
  const Read config = read_body(R"(plugins:
- type: metrics-data-source
  name: triton
  parameters:
    scheme: https
    port: 8002
    path: prometheus/metrics
    insecureSkipVerify: false
    caCertPath: /etc/ca.crt
    clientCertPath: /etc/tls.crt
    clientKeyPath: /etc/tls.key
    interval: 1s
    families: [waiting]
- type: models-data-source
  parameters: {path: /v2/models}
- type: core-metrics-extractor
- type: models-data-extractor
dataLayer:
  sources:
  - pluginRef: triton
    extractors: [{pluginRef: core-metrics-extractor}]
)");
  EXPECT_THAT(config.problems, IsEmpty());
  ASSERT_TRUE(config.config.has_value());
  EXPECT_EQ(config.config->metrics, (Source{.tls = true,
                                            .port = 8002,
                                            .path = "/prometheus/metrics",
                                            .verify = true,
                                            .authorities = "/etc/ca.crt",
                                            .certificate = "/etc/tls.crt",
                                            .key = "/etc/tls.key",
                                            .interval = std::chrono::seconds(1)}));
  EXPECT_EQ(config.config->models, (Source{.path = "/v2/models"}));
}

TEST(Config, AsksWhereOthersSayUnlessItSaysItItself) {
  const Sources otherwise = sources_with({.port = 9000, .path = "/m"});
  const Read silent = read_body("plugins: []\n");
  ASSERT_TRUE(silent.config.has_value());
  EXPECT_EQ(sources_of(*silent.config, otherwise), otherwise);
  const Read named = read_body("plugins:\n- type: metrics-data-source\n  parameters: {scheme: https}\n");
  ASSERT_TRUE(named.config.has_value());
  EXPECT_EQ(sources_of(*named.config, otherwise), sources_with({.tls = true, .path = "/metrics"}));
}

TEST(Config, TakesTheHeaderOfSessionsFromEitherPlace) {
  for (const char* parameters :
       {"headerName: X-My-Session", "encodedEndpointHeaderConfig: {header: X-My-Session}"}) {
    const Read config = read_body(
        fmt::format("plugins:\n- type: session-affinity-scorer\n  parameters: {{{}}}\n", parameters));
    EXPECT_THAT(config.problems, IsEmpty());
    ASSERT_TRUE(config.profile.has_value());
    EXPECT_EQ(config.profile->session_header, "x-my-session");
  }
}

TEST(Config, SaysWhichSettingsOfSessionsHaveNoEffect) {
  for (const char* parameter :
       {"maxAge: 3600", "secure: true", "sameSite: Lax", "cookieName: a", "profileName: p"}) {
    EXPECT_THAT(
        read_body(fmt::format("plugins:\n- type: session-affinity-scorer\n  parameters: {{{}}}\n", parameter))
            .problems,
        ElementsAre(
            testing::HasSubstr("warning support/no-effect: a parameter of `session-affinity-scorer`")))
        << parameter;
  }
}

TEST(Config, KnowsEachPluginOnce) {
  std::vector<std::string_view> names;
  for (const Plugin& plugin : plugins()) names.push_back(plugin.type);
  for (const std::string_view missing : missing_plugins()) names.push_back(missing);
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

}  // namespace
}  // namespace sluice::picker

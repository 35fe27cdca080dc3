#include "picker/config/plugins.h"

#include <algorithm>
#include <array>

#include "picker/endpoint.h"

namespace sluice::picker {
namespace {

using namespace schema;  // NOLINT: the declarations are written in its words

Type none() { return object({}); }

Type by_label() {
  return object({
      field<&Parameters::label>("label", string().min_length(1)).required(),
      field<&Parameters::valid_values>("validValues", list(string())),
      field<&Parameters::allows_no_label>("allowsNoLabel", boolean()),
  });
}

Type label_selector() {
  const Type expression = object({
      field<&LabelExpression::key>("key", string().min_length(1)).required(),
      field<&LabelExpression::op>("operator", enumeration({"In", "NotIn", "Exists", "DoesNotExist"}))
          .required(),
      field<&LabelExpression::values>("values", list(string())),
  });
  return object({
      field<&Parameters::match_labels>("matchLabels", map(string())),
      field<&Parameters::match_expressions>("matchExpressions", list(expression)),
  });
}

Type prefix_cache() {
  // Blocks have 64 tokens here, and the capacity is that of the server's cache.
  return object({
      field("autoTune", boolean()).passive(),
      field("blockSizeTokens", integer()),
      field("maxPrefixBlocksToMatch", integer()),
      field("maxPrefixTokensToMatch", integer()),
      field("lruCapacityPerServer", integer()),
      field("blockSize", integer()),
      field("hashBlockSize", integer()),
      field("prefixMatchInfoProducerName", string()),
  });
}

// Without a strategy by ids, a session is where its token says that it was served. What else there is of
// cookies and of sessions by an id has no effect; see Reader::read_parameters().
Type session_affinity() {
  return object({
      field<&Parameters::session_header>("headerName", string().min_length(1)),
      flattened("encodedEndpointHeaderConfig",
                object({field<&Parameters::session_header>("header", string().min_length(1))})),
      field<&Parameters::session_strategy>("strategy", string()),
      field<&Parameters::session_algorithm>("algorithm", string()),
      field("sessionIdConfig", any()),
      field("profileName", string()),
      field("evictionTtlSeconds", number()),
      field("evictionSweepSeconds", number()),
      field("missThreshold", integer()),
      field("sessionIDProducerName", string()),
      field("cookieName", string()),
      field("maxAge", int_or_string()),
      field("path", string()),
      field("domain", string()),
      field("secure", boolean()),
      field("httpOnly", boolean()),
      field("sameSite", string()),
  });
}

Type source(const char* path) {
  return object({
      field<&Parameters::scheme>("scheme", enumeration({"http", "https"})).defaults_to("http"),
      field<&Parameters::path>("path", string()).defaults_to(path),
      field<&Parameters::port>("port", int32().range(0, 65535)),
      field<&Parameters::skip_verify>("insecureSkipVerify", boolean()).defaults_to(true),
      field<&Parameters::authorities>("caCertPath", string()),
      field<&Parameters::certificate>("clientCertPath", string()),
      field<&Parameters::key>("clientKeyPath", string()),
      field<&Parameters::interval>("interval", string().formatted("duration")),
      field("families", list(string())).passive(),  // no others are read anyway
  });
}
Type metrics_source() { return source("/metrics"); }
Type models_source() { return source("/v1/models"); }

Type metrics_extractor() {
  return object({
      field("engineLabelKey", string()).passive(),  // the names of all engines are looked for
      field("defaultEngine", string()).passive(),
      field("engineConfigs", any()),
  });
}

Type load_aware() { return object({field<&Parameters::threshold>("threshold", number())}); }

Type token_load() { return object({field<&Parameters::threshold>("queueThresholdTokens", number())}); }

Type active_request() {
  return object({
      field("requestTimeout", any()),
      field("idleThreshold", integer()),
      field("maxBusyScore", number()),
  });
}

Type picker() {
  return object({field<&Parameters::max_num_of_endpoints>("maxNumOfEndpoints", int32().at_least(1))});
}

Type lowest_cost() {
  return object({
      field<&Parameters::max_num_of_endpoints>("maxNumOfEndpoints", int32().at_least(1)),
      field<&Parameters::first_token_objective>("firstTokenObjective", string().formatted("duration")),
      field<&Parameters::token_objective>("tokenObjective", string().formatted("duration")),
  });
}

Type rate_limit() {
  return object({
      field<&Parameters::model>("model", string().min_length(1)),
      field<&Parameters::fairness_id>("fairnessID", string().min_length(1)),
      field<&Parameters::requests_per_second>("requestsPerSecond", number()),
      field<&Parameters::tokens_per_second>("tokensPerSecond", number()),
      field<&Parameters::burst>("burst", string().formatted("duration")),
  });
}

Type pd_handler() {
  return object({
      field<&Parameters::decode_profile>("decodeProfile", string()).defaults_to("decode"),
      field<&Parameters::prefill_profile>("prefillProfile", string()).defaults_to("prefill"),
      field<&Parameters::pd_threshold>("threshold", number()),
      field<&Parameters::decider>("deciderPluginName", string()),
      field("hashBlockSize", integer()),
      field("primaryPort", int_or_string()),
      field("prefixPluginType", string()),
      field("prefixPluginName", string()),
  });
}

Type disagg_handler() {
  return object({
      field<&Parameters::decode_profile>("decodeProfile", string()).defaults_to("decode"),
      field<&Parameters::prefill_profile>("prefillProfile", string()).defaults_to("prefill"),
      field("encodeProfile", string()),
      flattened("deciders", object({
                                field<&Parameters::decider>("prefill", string()),
                                field("encode", string()),
                            })),
  });
}

Type pd_decider() { return object({field<&Parameters::pd_threshold>("nonCachedTokens", number())}); }

Type utilization() {
  return object({
      field<&Parameters::queue_depth>("queueDepthThreshold", number()),
      field<&Parameters::kv_usage>("kvCacheUtilThreshold", number()),
      field("metricsStalenessThreshold", string()),
      field("headroom", number()),
  });
}

void add_roles(std::vector<std::string> values, bool allow_without, Stage& stage) {
  stage.filters.push_back({std::string(kRoleLabel), std::move(values), allow_without, false});
}

template <Score kScore>
void add_scorer(const Parameters& parameters, double weight, Stage& stage) {
  stage.scorers.push_back({kScore, weight, parameters.threshold});
}

template <Choice kChoice>
void add_picker(const Parameters& parameters, double, Stage& stage) {
  stage.choice = kChoice;
  if (parameters.max_num_of_endpoints > 0) {
    stage.fallbacks = static_cast<std::uint32_t>(parameters.max_num_of_endpoints) - 1;
  }
}

void add_label(const Parameters& parameters, double, Stage& stage) {
  stage.filters.push_back({parameters.label, parameters.valid_values, parameters.allows_no_label, false});
}

void add_selector(const Parameters& parameters, double, Stage& stage) {
  for (const auto& [label, value] : parameters.match_labels) {
    stage.filters.push_back({label, {value}, false, false});
  }
  for (const LabelExpression& expression : parameters.match_expressions) {
    const bool except = expression.op == "NotIn" || expression.op == "DoesNotExist";
    const bool any_value = expression.op == "Exists" || expression.op == "DoesNotExist";
    stage.filters.push_back(
        {expression.key, any_value ? std::vector<std::string>{} : expression.values, false, except});
  }
}

const std::array kPlugins = {
    Plugin{"decode-filter", Part::kFilter, none,
           [](const Parameters&, double, Stage& stage) {
             add_roles({"decode", "prefill-decode", "both", "encode-prefill-decode"}, true, stage);
           }},
    Plugin{"prefill-filter", Part::kFilter, none,
           [](const Parameters&, double, Stage& stage) {
             add_roles({"prefill", "encode-prefill", "prefill-decode", "both", "encode-prefill-decode"},
                       false, stage);
           }},
    Plugin{"by-label", Part::kFilter, by_label, add_label},
    Plugin{"by-label-selector", Part::kFilter, label_selector, add_selector},
    Plugin{"label-selector-filter", Part::kFilter, label_selector, add_selector},

    Plugin{"queue-scorer", Part::kScorer, none, add_scorer<Score::kQueue>},
    Plugin{"running-requests-size-scorer", Part::kScorer, none, add_scorer<Score::kRunning>},
    Plugin{"kv-cache-utilization-scorer", Part::kScorer, none, add_scorer<Score::kKvUsage>},
    Plugin{"kv-cache-scorer", Part::kScorer, none, add_scorer<Score::kKvUsage>},
    Plugin{"prefix-cache-scorer", Part::kScorer, prefix_cache, add_scorer<Score::kPrefixCache>},
    Plugin{"lora-affinity-scorer", Part::kScorer, none, add_scorer<Score::kLoraAffinity>},
    Plugin{"session-affinity-scorer", Part::kScorer, session_affinity, add_scorer<Score::kSession>},
    Plugin{"load-aware-scorer", Part::kScorer, load_aware, add_scorer<Score::kLoadAware>},
    Plugin{"active-request-scorer", Part::kScorer, active_request, add_scorer<Score::kActiveRequests>},
    Plugin{"token-load-scorer", Part::kScorer, token_load, add_scorer<Score::kTokenLoad>},

    Plugin{"max-score-picker", Part::kPicker, picker, add_picker<Choice::kMaxScore>},
    Plugin{"random-picker", Part::kPicker, picker, add_picker<Choice::kRandom>},
    Plugin{"weighted-random-picker", Part::kPicker, picker, add_picker<Choice::kWeightedRandom>},
    Plugin{"lowest-cost-picker", Part::kPicker, lowest_cost, add_picker<Choice::kLowestCost>},

    Plugin{"single-profile-handler", Part::kHandler, none, nullptr},
    Plugin{"pd-profile-handler", Part::kHandler, pd_handler, nullptr},
    Plugin{"disagg-profile-handler", Part::kHandler, disagg_handler, nullptr},
    Plugin{"prefix-based-pd-decider", Part::kDecider, pd_decider, nullptr},
    Plugin{"always-disagg-pd-decider", Part::kDecider, none, nullptr},
    Plugin{"utilization-detector", Part::kDetector, utilization, nullptr},
    Plugin{"rate-limit", Part::kLimit, rate_limit, nullptr},

    Plugin{"metrics-data-source", Part::kMetrics, metrics_source, nullptr},
    Plugin{"models-data-source", Part::kModels, models_source, nullptr},

    // What these prepare or set is prepared and set here without them.
    Plugin{"approx-prefix-cache-producer", Part::kOther, prefix_cache, nullptr},
    Plugin{"inflight-load-producer", Part::kOther, nullptr, nullptr},
    Plugin{"prefill-header-handler", Part::kOther, nullptr, nullptr},
    Plugin{"disagg-headers-handler", Part::kOther, nullptr, nullptr},
    Plugin{"openai-parser", Part::kOther, nullptr, nullptr},
    Plugin{"core-metrics-extractor", Part::kOther, metrics_extractor, nullptr},
    Plugin{"models-data-extractor", Part::kOther, nullptr, nullptr},
    Plugin{"endpoint-notification-source", Part::kOther, nullptr, nullptr},
    Plugin{"anthropic-parser", Part::kOther, nullptr, nullptr},
    Plugin{"round-robin-fairness-policy", Part::kOther, nullptr, nullptr},
    Plugin{"fcfs-ordering-policy", Part::kOther, nullptr, nullptr},
};

// Of llm-d-router (cmd/epp/runner), and what was there before.
constexpr std::array<std::string_view, 67> kMissing = {
    "agent-identity",
    "always-disagg-multimodal-decider",
    "burst-prefix-cache-producer",
    "composite-saturation-detector",
    "concurrency-detector",
    "context-length-aware",
    "data-parallel-profile-handler",
    "dcgm-data-source",
    "dcgm-extractor",
    "destination-endpoint-served-verifier",
    "disaggregatedset-rollout-screener",
    "edf-ordering-policy",
    "encode-filter",
    "endpoint-attribute-filter",
    "endpoint-attribute-scorer",
    "file-discovery",
    "global-strict-fairness-policy",
    "header-based-testing-filter",
    "header-label-affinity-scorer",
    "header-profile-handler",
    "k8s-notification-source",
    "latency-scorer",
    "latency-slo-admitter",
    "mm-embeddings-cache-producer",
    "mm-embeddings-cache-scorer",
    "models-responder",
    "multicluster-approx-prefix-cache-producer",
    "multicluster-file-discovery",
    "multicluster-kv-cache-utilization-scorer",
    "multicluster-metrics-data-source",
    "multicluster-metrics-extractor",
    "multicluster-prefix-cache-scorer",
    "multicluster-queue-scorer",
    "multicluster-session-affinity-filter",
    "no-hit-lru-scorer",
    "outlen-bucket",
    "p2p-source-producer",
    "passthrough-parser",
    "precise-prefix-cache-producer",
    "precise-prefix-cache-scorer",
    "predicted-latency-producer",
    "predicted-latency-scorer",
    "prefix-cache-affinity-filter",
    "priority-holdback-policy",
    "priority-then-time-eviction-order-policy",
    "probabilistic-admitter",
    "program-aware-fairness",
    "program-score-ordering-policy",
    "request-attribute-reporter",
    "session-affinity-filter",
    "session-id-producer",
    "sglanghttp-parser",
    "sheddable-eviction-filter",
    "slo-deadline-ordering-policy",
    "slo-headroom-tier-filter",
    "soft-reflective-ceiling-policy",
    "static-usage-limit-policy",
    "token-producer",
    "tokenizer",
    "topology-affinity-filter",
    "topology-affinity-scorer",
    "topology-extractor",
    "topology-stamp-handler",
    "utilization-filter",
    "vertexai-parser",
    "vllmgrpc-parser",
    "vllmhttp-parser",
};

}  // namespace

std::span<const Plugin> plugins() { return kPlugins; }

const Plugin* find_plugin(std::string_view type) {
  const auto plugin = std::ranges::find(kPlugins, type, &Plugin::type);
  return plugin == kPlugins.end() ? nullptr : &*plugin;
}

std::span<const std::string_view> missing_plugins() { return kMissing; }

}  // namespace sluice::picker

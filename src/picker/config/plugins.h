// The plugin types of llm-d's EndpointPickerConfig: what each is, which parameters it takes, and what it does
// to a stage.
//
// A new plugin is a row of the table. llm-d's types that have no row are listed by name, in two groups: those
// that only prepare what happens here anyway, and those that are missing.
//
// Threads: constants.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "picker/profile.h"
#include "schema/type.h"

namespace sluice::picker {

struct LabelExpression {
  std::string key;
  std::string op;
  std::vector<std::string> values;
};

// The parameters of all plugins; each binds its own.
struct Parameters {
  std::string label;
  std::vector<std::string> valid_values;
  bool allows_no_label = false;
  std::map<std::string, std::string, std::less<>> match_labels;
  std::vector<LabelExpression> match_expressions;
  double threshold = 0;
  std::int32_t max_num_of_endpoints = 0;  // 0: as many as we like
  std::string decode_profile;
  std::string prefill_profile;
  std::string decider;
  double pd_threshold = 0;
  double queue_depth = 5;
  double kv_usage = 0.8;
  std::chrono::milliseconds first_token_objective{0};
  std::chrono::milliseconds token_objective{0};
  std::string model;
  std::string fairness_id;
  double requests_per_second = 0;
  double tokens_per_second = 0;
  std::chrono::milliseconds burst{1000};
  std::string session_header;
  std::string session_strategy;
  std::string session_algorithm;
  // Of sources.
  std::string scheme;
  std::string path;
  std::int32_t port = 0;
  bool skip_verify = true;
  std::string authorities;
  std::string certificate;
  std::string key;
  std::chrono::milliseconds interval{0};
};

enum class Part : std::uint8_t {
  kFilter,
  kScorer,
  kPicker,
  kHandler,
  kDecider,
  kDetector,
  kLimit,
  kMetrics,  // where servers are asked for them
  kModels,   // and for their models
  kOther,
};

struct Plugin {
  std::string_view type;
  Part part = Part::kOther;
  schema::Type (*parameters)() = nullptr;  // nullptr: any, and none is needed for what the plugin does here
  // Of filters, scorers and pickers; the weight is that of the scorer.
  void (*add)(const Parameters& parameters, double weight, Stage& stage) = nullptr;
};

std::span<const Plugin> plugins();
const Plugin* find_plugin(std::string_view type);

// llm-d's types that are missing here.
std::span<const std::string_view> missing_plugins();

}  // namespace sluice::picker

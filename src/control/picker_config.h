// What an InferencePool says of how its picker works, by annotations.
//
//   api::kPickerConfig    a ConfigMap of its namespace, which has an EndpointPickerConfig under its one key
//   api::kPickerMetrics   where servers are asked for metrics
//   api::kPickerAnswers   whether the picker sees no more of answers than their headers
//
// A mistake in the config is one of the ConfigMap, at its place in the text:
// "data[config.yaml].plugins[0].type".
//
// Threads: a pure function.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "ir/extension.h"
#include "translate/inference_pool.h"

namespace sluice::control {

struct PickerConfig {
  std::optional<std::string> json = std::string();  // empty: there is none; nothing: it is no good
  std::string metrics = {};                         // as picker::parse_source() has it; empty: as usual
  bool reads_answers = true;                        // if it needs them
  // What the picker sees of answers where it is a service.
  ir::AnswersShown answers = ir::AnswersShown::kAll;
  std::vector<Problem> problems = {};

  bool operator==(const PickerConfig&) const = default;
};

// Where ConfigMaps are looked for.
struct ConfigMaps {
  std::function<const api::ConfigMap*(const NamespacedName&)> find;  // null: it is not there
  std::function<std::string(const NamespacedName& missing)> near;    // "did you mean `web`?", or empty
};

// Nothing where the pool says nothing.
std::optional<PickerConfig> read_picker_config(const NamespacedName& name, const api::InferencePool& pool,
                                               const ConfigMaps& maps);

}  // namespace sluice::control

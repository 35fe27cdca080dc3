// The EndpointPickerConfig that a pool's own picker decides by: its InferencePool names a ConfigMap of its
// namespace by the annotation api::kPickerConfig, and the ConfigMap has it under its one key.
//
// A mistake in it is one of the ConfigMap, at its place in the text: "data[config.yaml].plugins[0].type".
//
// Threads: a pure function.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "translate/inference_pool.h"

namespace sluice::control {

struct PickerConfig {
  std::optional<std::string> json;  // nothing: it is no good
  std::vector<Problem> problems;

  bool operator==(const PickerConfig&) const = default;
};

// Where ConfigMaps are looked for.
struct ConfigMaps {
  std::function<const api::ConfigMap*(const NamespacedName&)> find;  // null: it is not there
  std::function<std::string(const NamespacedName& missing)> near;    // "did you mean `web`?", or empty
};

// Nothing where the pool names none.
std::optional<PickerConfig> read_picker_config(const NamespacedName& name, const api::InferencePool& pool,
                                               const ConfigMaps& maps);

}  // namespace sluice::control

// The kinds of LLM serving: InferencePool of the Gateway API Inference Extension v1.6
// (inference.networking.k8s.io), InferenceObjective and InferenceModelRewrite of llm-d (llm-d.ai).
//
// As in gateway_api/types.h: names are the specification's, defaults are filled in by the binding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/meta.h"

namespace sluice::api {

// ---- InferencePool -----------------------------------------------------------------------------

// What becomes of requests while the endpoint picker does not answer.
enum class PickerFailureMode : std::uint8_t { kFailOpen, kFailClose };
enum class PoolProtocol : std::uint8_t { kHttp, kH2c };

struct EndpointPickerRef {
  std::string group;
  std::string kind = "Service";
  std::string name;
  std::optional<std::int32_t> port;  // a Service has one
  PickerFailureMode failure_mode = PickerFailureMode::kFailClose;

  bool operator==(const EndpointPickerRef&) const = default;
};

struct PoolPort {
  std::int32_t number = 0;

  bool operator==(const PoolPort&) const = default;
};

struct InferencePoolSpec {
  StringMap match_labels;              // of the pods, in the pool's namespace
  std::vector<PoolPort> target_ports;  // each is an endpoint of its own on every pod
  PoolProtocol app_protocol = PoolProtocol::kHttp;
  std::optional<EndpointPickerRef> endpoint_picker_ref;

  bool operator==(const InferencePoolSpec&) const = default;
};

// Pods that serve a model, and who decides which of them gets a request.
struct InferencePool {
  ObjectMeta metadata;
  InferencePoolSpec spec;

  bool operator==(const InferencePool&) const = default;
};

// ---- InferenceObjective, InferenceModelRewrite -------------------------------------------------

// A pool of the same namespace.
struct PoolReference {
  std::string group = "inference.networking.k8s.io";
  std::string kind = "InferencePool";
  std::string name;

  bool operator==(const PoolReference&) const = default;
};

struct InferenceObjectiveSpec {
  PoolReference pool_ref;
  std::optional<std::int32_t> priority;  // absent counts as 0

  bool operator==(const InferenceObjectiveSpec&) const = default;
};

// How urgent the requests are that name it.
struct InferenceObjective {
  ObjectMeta metadata;
  InferenceObjectiveSpec spec;

  bool operator==(const InferenceObjective&) const = default;
};

struct ModelRewriteMatch {
  std::string model;  // exactly

  bool operator==(const ModelRewriteMatch&) const = default;
};

struct ModelRewriteTarget {
  std::string model;
  std::optional<std::int32_t> weight;  // of all targets or of none

  bool operator==(const ModelRewriteTarget&) const = default;
};

struct ModelRewriteRule {
  std::vector<ModelRewriteMatch> matches;  // one of them; none: every request
  std::vector<ModelRewriteTarget> targets;

  bool operator==(const ModelRewriteRule&) const = default;
};

struct InferenceModelRewriteSpec {
  PoolReference pool_ref;
  std::vector<ModelRewriteRule> rules;

  bool operator==(const InferenceModelRewriteSpec&) const = default;
};

// Which models to ask the pods for, in place of what clients ask for.
struct InferenceModelRewrite {
  ObjectMeta metadata;
  InferenceModelRewriteSpec spec;

  bool operator==(const InferenceModelRewrite&) const = default;
};

}  // namespace sluice::api

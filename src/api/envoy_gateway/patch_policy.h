// EnvoyPatchPolicy: changes of Envoy's resources, as the last thing before they are served.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/gateway_api/types.h"
#include "tree/tree.h"

namespace sluice::api {

enum class JSONPatchOperationType : std::uint8_t { kAdd, kRemove, kReplace, kMove, kCopy, kTest };

// RFC 6902, with an expression that finds the places where no path names one.
struct JSONPatchOperation {
  JSONPatchOperationType op = JSONPatchOperationType::kAdd;
  std::optional<std::string> path;
  std::optional<std::string> json_path;
  std::optional<std::string> from;
  std::optional<Tree> value;

  bool operator==(const JSONPatchOperation&) const = default;
};

enum class EnvoyResourceType : std::uint8_t {
  kListener,
  kRouteConfiguration,
  kCluster,
  kClusterLoadAssignment,
  kSecret
};

struct EnvoyJSONPatch {
  EnvoyResourceType type = EnvoyResourceType::kListener;
  std::string name;  // of the resource
  JSONPatchOperation operation;

  bool operator==(const EnvoyJSONPatch&) const = default;
};

enum class EnvoyPatchType : std::uint8_t { kJSONPatch };

struct EnvoyPatchPolicySpec {
  EnvoyPatchType type = EnvoyPatchType::kJSONPatch;
  std::vector<EnvoyJSONPatch> json_patches;
  LocalObjectReference target_ref;  // a Gateway or a GatewayClass
  std::int32_t priority = 0;        // the lower ones go first

  bool operator==(const EnvoyPatchPolicySpec&) const = default;
};

struct EnvoyPatchPolicy {
  ObjectMeta metadata;
  EnvoyPatchPolicySpec spec;

  bool operator==(const EnvoyPatchPolicy&) const = default;
};

}  // namespace sluice::api

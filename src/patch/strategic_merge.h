// Strategic merge patches: changes of a Kubernetes object in the form of a part of it.
//
// Maps merge, a null takes a member away, and what is no map is replaced. Lists are replaced as well, but for
// those that are declared to merge: by a member that names their items, or as sets of scalars. As an API
// server does it (k8s.io/apimachinery/pkg/util/strategicpatch), where items that are new stand in front of
// those that the patch does not mention. It may have directives:
//
// - `$patch: replace` or `$patch: delete`: of the map that it is in. As an item of a list, the first is for
//   the whole list, the second for the item of that name;
// - `$retainKeys: [a, b]`: all other members of the map go;
// - `$setElementOrder/LIST: [{name: a}, …]`: the order of a list that merges;
// - `$deleteFromPrimitiveList/LIST: [a, b]`: scalars that go.
//
// They count in what the patch adds, too, where an API server passes them over. A patch that does not apply
// leaves the object as it was.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "patch/failure.h"

namespace sluice::patch {

// A list that merges, a map that does not, or a map with such parts.
struct MergeField {
  enum class How : std::uint8_t { kMerge, kReplace };
  std::string_view name;
  How how = How::kMerge;
  std::string_view key = {};                // of a list: the member that names its items; empty: scalars
  std::span<const MergeField> fields = {};  // of the map, or of each item
};

// Failure::field is the path below the patch: "spec.template.spec.containers[1]"; empty for the whole.
Result<void> merge_strategically(const nlohmann::json& patch, std::span<const MergeField> fields,
                                 nlohmann::json& document);

}  // namespace sluice::patch

// What to write so that the status of an object on an API server says what it is to say.
//
// The result is the member `status` of a JSON merge patch (RFC 7396), of the fields that differ alone. There
// lists are replaced whole, so:
//
// - The entries of other controllers in `parents` and `ancestors` stay as the server has them, and in their
//   places. They may change meanwhile: such a patch is for one resourceVersion.
// - Conditions of an object that are no business of ours stay.
// - A condition keeps its lastTransitionTime while its status is the same. The time alone, or the order of a
//   list, is no difference.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/object_key.h"
#include "translate/rows.h"

namespace sluice::status {

struct Patch {
  nlohmann::json status;
  bool shared = false;  // it replaces a list that others write to as well
};

// `row` is null where we have nothing to say of the object: what we said in shared lists is taken back then.
// `present` is the status that the server has, null or a map. `now` is in RFC 3339. Nothing where the server
// has it all.
std::optional<Patch> patch(const GroupKind& kind, const translate::ObjectStatus* row,
                           const nlohmann::json& present, const std::string& controller_name,
                           std::string_view now);

// The same without times: what two patches are compared by.
nlohmann::json without_times(nlohmann::json status);

// What the GatewayClass claims in status.supportedFeatures: names of the Gateway API's conformance suite
// v1.6.1, sorted, 64 at most.
std::span<const std::string_view> supported_features();

}  // namespace sluice::status

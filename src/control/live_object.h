// An object of those that run proxies (infra/objects.h) as an API server has it, read as far as it matters.
//
// Threads: pure functions and plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/object_key.h"
#include "translate/installation.h"

namespace sluice::control {

// Server-side apply is done by this name.
inline constexpr std::string_view kFieldManager = "sluice";

struct LiveObject {
  std::string uid;
  std::string version;   // resourceVersion
  std::string owner;     // see owner_of()
  std::string selector;  // of a Deployment or DaemonSet, which nobody can change
  std::int64_t available = 0;
  std::optional<translate::ServiceState> service;
  std::optional<std::int64_t> scaled_by_us;  // replicas of a Deployment that server-side apply has as ours

  bool operator==(const LiveObject&) const = default;
};

LiveObject read_live_object(const GroupKind& kind, const nlohmann::json& document);

// Whose an object is, by its labels: equal for all objects of a proxy, empty where it is nobody's.
std::string owner_of(const nlohmann::json& labels);

// What the document's selector, of a Deployment or DaemonSet, is compared by.
std::string selector_of(const nlohmann::json& document);

// Of `live` what `document` has, too: members by their names, items of lists by theirs where they have names
// that differ, else the list as it is.
nlohmann::json part_of(const nlohmann::json& live, const nlohmann::json& document);

// Whether to apply the document would change nothing, as far as one can tell without the server: `live` has
// all of it, and nothing that we have applied before and that it lacks.
bool has_all(const nlohmann::json& live, const nlohmann::json& document);

// Addresses by which the nodes of a list are reached: their external ones, or where none has any, the others.
translate::NodeAddresses addresses_of_nodes(const std::vector<nlohmann::json>& nodes);

}  // namespace sluice::control

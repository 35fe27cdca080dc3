#include "translate/route_backends.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::translate {

std::string Place::to_string() const {
  std::string text = parent == nullptr ? "" : parent->to_string();
  if (!text.empty() && !field.empty()) text += '.';
  text += field;
  if (index) text += fmt::format("[{}]", *index);
  return text;
}

std::optional<ResolvedBackend> RouteBackends::resolve(const api::BackendObjectReference& ref,
                                                      const Place& place) {
  auto resolved = look_up(ref, place);
  if (resolved) add_cluster(resolved->row);
  return resolved;
}

std::optional<ResolvedBackend> RouteBackends::look_up(const api::BackendObjectReference& ref,
                                                      const Place& place) {
  auto resolved = resolve_backend(ref, reader_, reads_, policies_);
  if (!resolved) {
    refuse(std::move(resolved.error()), place);
    return std::nullopt;
  }
  if (!resolved->has_endpoints) without_endpoints_.push_back(resolved->row.cluster.owner.to_string());
  return *std::move(resolved);
}

void RouteBackends::add_cluster(const ClusterRow& row) {
  auto& known = clusters_[row.cluster.name];
  if (known == nullptr) known = std::make_shared<const ClusterRow>(row);
}

void RouteBackends::report(const ReferenceFailure& failure, const Place& place) {
  const std::string path = place.to_string();
  problems_.push_back({.code = failure.code,
                       .severity = Severity::kError,
                       .where = {},
                       .object = route_,
                       .path = failure.field.empty() ? path : path + "." + failure.field,
                       .message = failure.message,
                       .suggestion = failure.suggestion});
}

void RouteBackends::refuse(ReferenceFailure failure, const Place& place) {
  report(failure, place);
  unresolved_.push_back(std::move(failure));
}

Condition RouteBackends::resolved_refs() const {
  if (unresolved_.empty()) {
    return {"ResolvedRefs", true, "ResolvedRefs", "All references of the route lead somewhere"};
  }
  std::set<std::string> reasons;
  std::vector<std::string> messages;
  for (const ReferenceFailure& failure : unresolved_) {
    reasons.insert(failure.reason);
    if (std::ranges::find(messages, failure.message) == messages.end()) messages.push_back(failure.message);
  }
  return {"ResolvedRefs", false, fmt::format("{}", fmt::join(reasons, ",")),
          fmt::format("{}", fmt::join(messages, "; "))};
}

std::optional<Condition> RouteBackends::backends_available() const {
  if (without_endpoints_.empty()) return std::nullopt;
  return Condition{"BackendsAvailable", false, "EndpointsNotFound",
                   fmt::format("Nothing is ready to answer for {}", fmt::join(without_endpoints_, ", "))};
}

}  // namespace sluice::translate

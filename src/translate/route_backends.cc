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

BackendPtr RouteBackends::resolve(const api::BackendObjectReference& ref, const Place& place) {
  BackendPtr resolved = look_up(ref, place);
  if (resolved != nullptr) add_cluster(row_of(resolved));
  return resolved;
}

BackendPtr RouteBackends::look_up(const api::BackendObjectReference& ref, const Place& place) {
  auto known = std::ranges::find_if(known_, [&ref](const auto& one) { return *one.first == ref; });
  if (known == known_.end()) {
    auto resolved = resolve_backend(ref, reader_, reads_, policies_);
    if (!resolved) {
      refuse(std::move(resolved.error()), place);
      return nullptr;
    }
    known = known_.emplace(known_.end(), &ref, *std::move(resolved));
  }
  note_endpoints(*known->second);
  return known->second;
}

BackendPtr RouteBackends::look_up_service(const api::BackendObjectReference& ref, bool grpc,
                                          const Place& place) {
  BackendReader reader = reader_;
  reader.grpc = grpc;
  reader.unix_sockets = true;
  reader.pools = false;
  auto resolved = resolve_backend(ref, reader, reads_, policies_);
  if (!resolved) {
    refuse(std::move(resolved.error()), place);
    return nullptr;
  }
  note_endpoints(**resolved);
  return *std::move(resolved);
}

void RouteBackends::note_endpoints(const ResolvedBackend& backend) {
  if (!backend.has_endpoints) without_endpoints_.insert(backend.row.cluster.owner.to_string());
}

void RouteBackends::add_cluster(std::shared_ptr<const ClusterRow> row) {
  const bool known = std::ranges::any_of(
      clusters_, [&row](const auto& other) { return other->cluster.name == row->cluster.name; });
  if (!known) clusters_.push_back(std::move(row));
}

const ExtendedFilterRow* RouteBackends::extended_filter(const NamespacedName& name) {
  extended_filters_.insert(name);
  return reads_.get(reader_.tables.extended_filters, name);
}

void RouteBackends::report(const ReferenceFailure& failure, const Place& place) {
  const std::string path = place.to_string();
  problems_.push_back({.code = failure.code,
                       .severity = Severity::kError,
                       .where = {},
                       .object = route_,
                       .path = failure.field.empty() ? path : path + "." + failure.field,
                       .message = failure.message,
                       .suggestion = failure.suggestion,
                       .also = failure.also});
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

// References to backends → clusters and endpoints.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "translate/reference.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// Why a reference leads nowhere: the reason of the ResolvedRefs condition, and the Problem for the user.
struct ReferenceFailure {
  std::string reason;
  std::string code;   // of the Problem
  std::string field;  // below the reference: "port", "name", "" …
  std::string message;
  std::string suggestion;
  bool accepted = false;  // the Accepted condition says it, not ResolvedRefs
};

struct ResolvedBackend {
  std::string cluster;  // its name
  ClusterRow row;
  bool has_endpoints = true;  // false: known, but nothing is ready to answer
};

struct BackendReader {
  const GroupKind& from;          // the kind that refers
  const std::string& namespace_;  // of the object that refers
  api::RoutingType routing;
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
  bool grpc = false;  // backends speak HTTP/2
};

std::expected<ResolvedBackend, ReferenceFailure> resolve_backend(const api::BackendObjectReference& ref,
                                                                 const BackendReader& reader,
                                                                 flow::Reads& reads);

// What routes may know of a Service.
ServiceView view_service(const api::Service& service);

// Nothing, or why no route may use the Backend (its Accepted condition).
std::expected<void, ReferenceFailure> check_backend(const api::Backend& backend, const Settings& settings);

// The Service that a slice belongs to; empty name: none.
NamespacedName service_of(const api::EndpointSlice& slice);

// The endpoints of a Service from all of its slices: ready ones; where none is ready, those that still serve
// while they terminate. Addresses of both families stand side by side; a zone becomes a locality only if the
// Service prefers close endpoints.
ServiceEndpoints join_slices(const std::vector<const api::EndpointSlice*>& slices, bool prefer_local_zone,
                             bool publish_not_ready);

}  // namespace sluice::translate

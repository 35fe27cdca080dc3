// References to backends → clusters and endpoints.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "translate/reference.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

struct ResolvedBackend {
  std::string cluster;  // its name
  ClusterRow row;
  std::string base;           // the name without what its TLS adds
  bool has_endpoints = true;  // false: known, but nothing is ready to answer
  bool fallback = false;      // it is there for when the others of its rule are down
};

struct BackendReader {
  const GroupKind& from;          // the kind that refers
  const std::string& namespace_;  // of the object that refers
  const BackendAccess& access;
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
  bool grpc = false;                   // backends speak HTTP/2
  std::string_view transport = "TCP";  // of the Service's port
  bool passes_tls = false;             // what is sent is the client's TLS: there is none of ours around it
};

// `policies` takes those that the reference meets, wherever it leads.
std::expected<ResolvedBackend, ReferenceFailure> resolve_backend(const api::BackendObjectReference& ref,
                                                                 const BackendReader& reader,
                                                                 flow::Reads& reads,
                                                                 std::vector<PolicyUse>& policies);

// Of the backends of one rule: where some speak plain HTTP, the protocol is the same for all, and those with
// TLS do not negotiate it.
void settle_protocols(std::vector<ResolvedBackend*> of_rule);
void negotiate_no_protocol(ResolvedBackend& backend);

// What routes may know of a Service or a ServiceImport.
ServiceView view_service(const api::Service& service);
ServiceView view_import(const api::ServiceImport& import);

// What a Backend is besides its endpoints, and whether routes may use it.
BackendRow read_backend(const NamespacedName& name, const api::Backend& backend, const Settings& settings,
                        const Inputs& inputs, const Projections& tables, flow::Reads& reads);

// The Service and the ServiceImport that a slice belongs to.
std::vector<ObjectKey> services_of(const api::EndpointSlice& slice);

// The endpoints of a Service from all of its slices: ready ones; where none is ready, those that still serve
// while they terminate. Addresses of both families stand side by side; a zone becomes a locality only if the
// Service prefers close endpoints.
ServiceEndpoints join_slices(const std::vector<const api::EndpointSlice*>& slices, bool prefer_local_zone,
                             bool publish_not_ready);

}  // namespace sluice::translate

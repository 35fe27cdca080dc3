// References to backends → clusters and endpoints.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "translate/reference.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

struct ResolvedBackend {
  ClusterRow row;
  std::size_t base_size = 0;  // of the cluster's name: without what its TLS adds
  bool has_endpoints = true;  // false: known, but nothing is ready to answer
  bool fallback = false;      // it is there for when the others of its rule are down
  // Of an InferencePool: who says which endpoint a request goes to, and its cluster. Null: nobody does.
  ir::ExtensionPtr picker;
  std::shared_ptr<const ClusterRow> picker_cluster;
  ir::AnswersShown picker_sees = ir::AnswersShown::kAll;  // where that is a service
  bool no_picker = false;                                 // ... and no request may do without: 503
  // Of rules that have none of their own: that of its XBackendTrafficPolicy.
  Boxed<api::SessionPersistence> session;

  const std::string& cluster() const { return row.cluster.name; }
};

// Shared by the rules that refer to it.
using BackendPtr = std::shared_ptr<const ResolvedBackend>;

// Its row, without a copy.
inline std::shared_ptr<const ClusterRow> row_of(const BackendPtr& backend) {
  return {backend, &backend->row};
}

struct BackendReader {
  const GroupKind& from;  // the kind that refers
  Interned namespace_;    // of the object that refers
  const BackendAccess& access;
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
  bool grpc = false;                   // backends speak HTTP/2
  std::string_view transport = "TCP";  // of the Service's port
  bool passes_tls = false;             // what is sent is the client's TLS: there is none of ours around it
  bool unix_sockets = false;           // a Backend may be one
  bool pools = false;                  // InferencePools count
  bool trusted = false;                // what refers needs no ReferenceGrant
};

// `policies` takes those that the reference meets, wherever it leads.
std::expected<BackendPtr, ReferenceFailure> resolve_backend(const api::BackendObjectReference& ref,
                                                            const BackendReader& reader, flow::Reads& reads,
                                                            std::vector<PolicyUse>& policies);

// The backend, one that does not negotiate the protocol where it speaks TLS.
BackendPtr negotiating_no_protocol(BackendPtr backend);

// The backend, a cluster of its own whose requests all get the credential of the HTTPRouteFilter.
BackendPtr injecting(const ResolvedBackend& backend, const ExtendedFilterRow& filter);

// What routes may know of a Service or a ServiceImport.
ServiceView view_service(const api::Service& service);
ServiceView view_import(const api::ServiceImport& import);

// What a Backend is besides its endpoints, and whether routes may use it.
BackendRow read_backend(const NamespacedName& name, const api::Backend& backend, const Settings& settings,
                        const Inputs& inputs, const Projections& tables, flow::Reads& reads);

inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kImportNameLabel = "multicluster.kubernetes.io/service-name";  // KEP-1645

// The Service and the ServiceImport that a slice belongs to.
absl::InlinedVector<ObjectKey, 2> services_of(const api::EndpointSlice& slice);

// The endpoints of a Service from all of its slices: ready ones; where none is ready, those that still serve
// while they terminate. Addresses of both families stand side by side; a zone becomes a locality only if the
// Service prefers close endpoints.
ServiceEndpoints join_slices(const std::vector<const api::EndpointSlice*>& slices, bool prefer_local_zone,
                             bool publish_not_ready);

}  // namespace sluice::translate

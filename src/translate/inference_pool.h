// InferencePools as backends: their Pods are a cluster's endpoints, and somebody is asked about each request
// which of them gets it.
//
// A pool is read once for all routes (PoolView), apart from its endpoints, as a Service is: a Pod that comes
// or goes changes endpoints and no route. Who is asked is the service of `endpointPickerRef`; a pool without
// has our own picker, which is told what to do by a PickerPlan: beside Envoy, where it listens at a Unix
// socket, or, by an annotation of the pool, inside it, where it is a dynamic module that reads a file.
//
// Threads: pure functions.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "translate/backend.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

inline constexpr std::string_view kPoolGroup = "inference.networking.k8s.io";

// The pool by itself: whether there is the picker that it names.
PoolView read_pool(const NamespacedName& name, const api::InferencePool& pool, const Settings& settings,
                   const Inputs& inputs, const Projections& tables, flow::Reads& reads);

// The pool as a backend. The reference to it is permitted.
std::expected<std::shared_ptr<ResolvedBackend>, ReferenceFailure> resolve_pool(
    const ObjectKey& key, const BackendReader& reader, flow::Reads& reads, std::vector<PolicyUse>& policies);

// ---- pods --------------------------------------------------------------------------------------

// Where a Pod is found by one of its labels: of a namespace, the label and its value.
std::vector<std::string> label_groups(const api::Pod& pod);
// The group in which all pods of a pool are.
std::string label_group(const NamespacedName& pool, const api::InferencePoolSpec& spec);

// Has the labels, an address, and is neither said to be unready nor being deleted.
bool is_member(const api::InferencePoolSpec& pool, const api::Pod& pod);

// The endpoints of a pool, each port of each member, of those that may be members. They are those of the port
// "".
ServiceEndpoints join_pods(const api::InferencePoolSpec& pool, const std::vector<const api::Pod*>& pods);

// An address that is none.
std::optional<PodProblems> check_pod(const NamespacedName& name, const api::Pod& pod);
// That no Pod has the labels. `in_namespace` are all Pods of the pool's namespace.
std::optional<PodProblems> check_members(const NamespacedName& name, const api::InferencePoolSpec& pool,
                                         const std::vector<const api::Pod*>& in_namespace);

// ---- objectives, rewrites, our own picker ------------------------------------------------------

// An InferenceObjective or InferenceModelRewrite by itself.
PoolExtraRow read_objective(const NamespacedName& name, const api::InferenceObjective& objective,
                            const Projections& tables, flow::Reads& reads);
PoolExtraRow read_model_rewrite(const NamespacedName& name, const api::InferenceModelRewrite& rewrite,
                                const Projections& tables, flow::Reads& reads);
ObjectStatus status_of(const PoolExtraRow& row, std::int64_t generation);

// The path of the socket at which our own picker of a pool listens, and that of the file which tells one
// inside Envoy.
std::string picker_socket(const Settings& settings, const NamespacedName& pool);
std::string picker_file(const Settings& settings, const NamespacedName& pool);

// All rules for a pool: those with matches first, then by the age of their objects, then by name.
using ModelRewrites = std::vector<std::pair<NamespacedName, const api::InferenceModelRewrite*>>;
std::vector<api::ModelRewriteRule> order_rewrites(ModelRewrites rewrites);

// ---- status ------------------------------------------------------------------------------------

// A Gateway that has a route to the pool.
struct PoolUse {
  NamespacedName gateway;
  bool accepted = false;  // of one of these routes

  bool operator==(const PoolUse&) const = default;
};
// Of more Gateways than a status has room for those stay that have accepted no route, then by name.
ObjectStatus pool_status(const api::InferencePool& pool, const PoolView& view,
                         const std::vector<PoolUse>& uses);

}  // namespace sluice::translate

// Services and ServiceImports as one, and their endpoints apart from them; with those of InferencePools.
#pragma once

#include <string>
#include <vector>

#include "control/tables/inputs.h"
#include "translate/slice.h"

namespace sluice::control::tables {

struct Services {
  Services(Graph& graph, const Inputs& in, const translate::Projections& projections);

  // The Pods that may be members of a pool: all members are among them.
  std::vector<const api::Pod*> pods_near(const NamespacedName& name, const api::InferencePool& pool,
                                         Reads& reads) const;

  const Table<NamespacedName, translate::ServiceView>& own_services;
  const Table<NamespacedName, translate::ServiceView>& imported_services;
  const Table<ObjectKey, translate::ServiceView>& services;

  const Index<ObjectKey, NamespacedName, api::EndpointSlice>& slices_of;  // by service
  const Table<ObjectKey, translate::ServiceEndpoints>& endpoints_of_services;
  const Index<std::string, NamespacedName, api::Pod>& pods_by_label;  // see translate::label_group
  const Table<NamespacedName, translate::ServiceEndpoints>& endpoints_of_pools;
  const Table<ObjectKey, translate::ServiceEndpoints>& endpoints_of;
  const Table<ObjectKey, translate::ServiceReadiness>& readiness;
  const Table<NamespacedName, translate::SliceProblems>& problems_of_slices;
  const Table<NamespacedName, translate::PodProblems>& problems_of_pods;
};

}  // namespace sluice::control::tables

// Services and ServiceImports as one, and their endpoints apart from them.
#pragma once

#include "control/tables/inputs.h"
#include "translate/slice.h"

namespace sluice::control::tables {

struct Services {
  Services(Graph& graph, const Inputs& in);

  const Table<NamespacedName, translate::ServiceView>& own_services;
  const Table<NamespacedName, translate::ServiceView>& imported_services;
  const Table<ObjectKey, translate::ServiceView>& services;

  const Index<ObjectKey, NamespacedName, api::EndpointSlice>& slices_of;  // by service
  const Table<ObjectKey, translate::ServiceEndpoints>& endpoints_of;
  const Table<ObjectKey, translate::ServiceReadiness>& readiness;
  const Table<NamespacedName, translate::SliceProblems>& problems_of_slices;
};

}  // namespace sluice::control::tables

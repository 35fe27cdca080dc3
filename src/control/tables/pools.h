// InferencePools: what routes read of them, who uses them, and what our own pickers are told. Their endpoints
// are with those of Services.
#pragma once

#include <string>
#include <vector>

#include "control/picker_config.h"
#include "control/tables/routes.h"
#include "control/tables/services.h"
#include "translate/inference_pool.h"

namespace sluice::control::tables {

struct Pools {
  Pools(Graph& graph, const translate::Settings& settings, const Inputs& in,
        const translate::Projections& projections);

  const Table<NamespacedName, translate::PoolView>& views;
  const Index<std::string, NamespacedName, api::Pod>& pods_in;  // by namespace
  const Table<NamespacedName, translate::PodProblems>& problems_of_members;

  const Table<NamespacedName, translate::PoolExtraRow>& objectives;
  const Table<NamespacedName, translate::PoolExtraRow>& rewrites;
  const Table<NamespacedName, PickerConfig>& configs;      // of pools that say something of their picker
  const Table<NamespacedName, ir::AnswersShown>& answers;  // of pools whose picker does not see all of them
};

// What depends on who uses a pool.
struct PickedPools {
  PickedPools(Graph& graph, const translate::Settings& settings, const Inputs& in, const Services& services,
              const Pools& pools, const Routes& routes);

  // The Gateways whose routes refer to the pool, sorted.
  std::vector<translate::PoolUse> uses(const NamespacedName& pool, Reads& reads) const;

  const Index<NamespacedName, ObjectKey, translate::RouteResult>& routes_to;            // by pool
  const Index<NamespacedName, NamespacedName, translate::PoolExtraRow>& objectives_of;  // by pool
  const Index<NamespacedName, NamespacedName, translate::PoolExtraRow>& rewrites_of;    // by pool
  // Only of pools that some Gateway sends to, and that name no picker.
  const Table<NamespacedName, translate::PickerPlan>& pickers;
};

}  // namespace sluice::control::tables

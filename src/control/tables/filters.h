// HTTPRouteFilters, each by itself: routes read them.
#pragma once

#include "control/tables/inputs.h"
#include "translate/tables.h"

namespace sluice::control::tables {

struct Filters {
  Filters(Graph& graph, const Inputs& in, const translate::Projections& projections);

  const Table<NamespacedName, translate::ExtendedFilterRow>& extended;
};

}  // namespace sluice::control::tables

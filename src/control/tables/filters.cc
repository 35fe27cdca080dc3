#include "control/tables/filters.h"

#include "control/tables/unless_refused.h"
#include "translate/extended_filter.h"

namespace sluice::control::tables {

Filters::Filters(Graph& graph, const Inputs& in, const translate::Projections& projections)
    : extended(graph.map(
          "route filters", in.objects.http_route_filters,
          [&](const NamespacedName& name, const api::ExtendedRouteFilter& filter, Reads& reads) {
            return unless_refused(
                in.refused, name, filter, reads, [&](const api::ExtendedRouteFilter& version) {
                  return translate::read_extended_filter(name, version, in.objects, projections, reads);
                });
          })) {}

}  // namespace sluice::control::tables

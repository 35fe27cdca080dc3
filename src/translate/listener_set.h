// ListenerSet: listeners that others than a Gateway's owner add to it.
//
// Each is planned by itself, and joins its Gateway only in the plan of the proxy: one that is wrong or
// changes leaves the Gateway's own plan as it is.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

using DoorTable = flow::Table<NamespacedName, ListenerDoor>;

// Nothing where the Gateway is none of ours.
std::optional<ListenerDoor> listener_door(const api::Gateway& gateway, const Settings& settings,
                                          const Projections& tables, flow::Reads& reads);

// Nothing where its Gateway is none of ours, though one that does not exist is a problem.
std::optional<ListenerSetPlan> plan_listener_set(const NamespacedName& name, const api::ListenerSet& set,
                                                 const Inputs& inputs, const Projections& tables,
                                                 const DoorTable& doors, flow::Reads& reads);

// Adds the listeners of a Gateway's ListenerSets to its own, in order of precedence: the oldest first, then
// by name.
void join_listener_sets(GatewayPlan& gateway, std::vector<const ListenerSetPlan*> sets);

// The parts of a served Gateway that its ListenerSets brought.
std::vector<std::pair<NamespacedName, ServedListenerSet>> served_listener_sets(const GatewayPlan& gateway);

}  // namespace sluice::translate

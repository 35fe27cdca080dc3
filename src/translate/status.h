// The statuses of objects, from what their translation came to.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

ObjectStatus class_status(const api::GatewayClass& gateway_class, const ClassRow& row);

// `attached` counts the routes of each listener.
ObjectStatus gateway_status(const api::Gateway& gateway, const GatewayPlan& plan,
                            const std::function<std::size_t(const ListenerKey&)>& attached);

// Of a Gateway to which routes attach that ask for default ones.
Condition default_gateway_condition();

// `served` is null where its Gateway does not let it in.
ObjectStatus listener_set_status(std::int64_t generation, const ListenerSetPlan& plan,
                                 const ServedListenerSet* served,
                                 const std::function<std::size_t(const ListenerKey&)>& attached);

// Adds whether the Gateway is accepted, where nothing is said of it yet: by its listeners, of which one is
// enough.
void add_acceptance(ObjectStatus& status);

// Adds what only the proxy knows: whether the Gateway is served. What is said of it already stays. One may be
// served though something about it is not accepted.
void add_proxy_conditions(ObjectStatus& status, bool to_be_served, bool programmed,
                          const std::string& message);

// What would be served is not yet.
void await_proxy(ObjectStatus& status, const std::string& message);

// `overlaps` are the hosts of the route that have overlaps: their route table, and the other routes.
ObjectStatus route_status(std::int64_t generation, const RouteResult& result,
                          const std::map<std::string, std::set<ObjectKey>>& overlaps_by_table);

ObjectStatus backend_status(const api::Backend& backend, const BackendRow& row, const Settings& settings);

// `classes` and `gateways` are those that the EnvoyProxy is there for; `wrong_telemetry` is what of its
// telemetry cannot be, or empty.
ObjectStatus envoy_proxy_status(const api::EnvoyProxy& envoy_proxy, const std::vector<std::string>& classes,
                                const std::vector<NamespacedName>& gateways,
                                const std::string& wrong_telemetry);

}  // namespace sluice::translate

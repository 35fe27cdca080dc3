// GatewayClass and Gateway → proxies, sockets, filter chains, certificates; and the points where routes
// attach.
//
// In three steps, so that a Gateway depends on its neighbours only where they share a proxy: each Gateway by
// itself (plan_gateway), then all that one proxy serves (plan_proxy: conflicts, overlaps, sockets), then what
// routes may see of it (attach_points).
#pragma once

#include <optional>
#include <vector>

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

ClassRow translate_class(const NamespacedName& name, const api::GatewayClass& gateway_class,
                         const Settings& settings);

// Nothing where the Gateway is none of ours.
std::optional<GatewayPlan> plan_gateway(const NamespacedName& name, const api::Gateway& gateway,
                                        const Settings& settings, const Inputs& inputs,
                                        const Projections& tables, flow::Reads& reads);

// `gateways` are the plans of one proxy's Gateways, in any order.
ProxyPlan plan_proxy(const ir::ProxyKey& proxy, std::vector<GatewayPlan> gateways, const Settings& settings);

AttachPoints attach_points(const GatewayPlan& plan, const Settings& settings);

}  // namespace sluice::translate

// GatewayClass and Gateway, and the points where routes attach.
//
// In three steps, so that a Gateway depends on its neighbours only where they share a proxy: each Gateway by
// itself (plan_gateway), then all that one proxy serves (translate/proxy_plan.h: conflicts, overlaps,
// sockets), then what routes may see of it (attach_points).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

ClassRow translate_class(const NamespacedName& name, const api::GatewayClass& gateway_class,
                         const Settings& settings, const Inputs& inputs, const Projections& tables,
                         flow::Reads& reads);

// The Gateway, if it names a class that there is none of. A class of another controller is none of our
// business.
std::optional<ClasslessGateway> find_classless(const NamespacedName& name, const api::Gateway& gateway,
                                               const Settings& settings, const Inputs& inputs,
                                               const Projections& tables, flow::Reads& reads);

// Its class is.
bool is_ours(const api::Gateway& gateway, const Settings& settings, const Projections& tables,
             flow::Reads& reads);

// Routes that ask for default Gateways attach to it, whoever serves it.
bool is_default(const api::Gateway& gateway);

// Nothing where the Gateway is none of ours.
std::optional<GatewayPlan> plan_gateway(const NamespacedName& name, const api::Gateway& gateway,
                                        const Settings& settings, const Inputs& inputs,
                                        const Projections& tables, flow::Reads& reads);

// What its proxy and EnvoyProxy make of extensions.
ExtensionTerms extension_terms(const GatewayPlan& plan, const Settings& settings);

// By the object that offers them: the Gateway, and each of its ListenerSets.
std::vector<std::pair<ObjectKey, AttachPoints>> attach_points(const GatewayPlan& plan,
                                                              const Settings& settings);

}  // namespace sluice::translate

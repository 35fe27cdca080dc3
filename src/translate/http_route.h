// HTTPRoute → routes on hosts, clusters, conditions.
#pragma once

#include "translate/attach.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// One route against the listeners of its parents. Reads what it refers to, never endpoints.
// A rule that cannot be translated harms only itself: it is answered with 500, or dropped where not even its
// match is valid, and the conditions say so.
RouteResult translate_http_route(const NamespacedName& name, const api::HTTPRoute& route,
                                 const Settings& settings, const Inputs& inputs, const Projections& tables,
                                 const AttachTable& parents, flow::Reads& reads);

}  // namespace sluice::translate

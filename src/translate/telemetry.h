// EnvoyProxy's telemetry: logs, traces and metrics of a proxy, and whom they are sent.
//
// What cannot be is left out as a whole (all logs, or traces, or metrics), as Envoy Gateway does; the
// Gateways are served all the same, and their conditions say it.
//
// Threads: pure functions.
#pragma once

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// `oldest` is the proxy's Gateway whose EnvoyProxy counts.
TelemetryRow read_telemetry(const ir::ProxyKey& proxy, const GatewayPlan& oldest, const Settings& settings,
                            const Inputs& inputs, const Projections& tables, flow::Reads& reads);

}  // namespace sluice::translate

// All that one proxy serves: the listeners of its Gateways side by side, with their conflicts and overlaps,
// as sockets, filter chains and certificates.
#pragma once

#include <string_view>
#include <vector>

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// The order of a proxy's Gateways: the settings of the first count.
bool is_older(const GatewayPlan& a, const GatewayPlan& b);

// `gateways` are the plans of one proxy's Gateways, in any order.
ProxyPlan plan_proxy(const ir::ProxyKey& proxy, std::vector<GatewayPlan> gateways,
                     const TelemetryRow& telemetry, const Settings& settings);

// What the names of the secrets with listeners' certificates begin with; that of the Secret follows.
inline constexpr std::string_view kListenerCertificates = "secret/";

// The process of a proxy without its ports and labels. Null: there is no EnvoyProxy.
ir::Proxy proxy_of(const ir::ProxyKey& key, const api::EnvoyProxy* envoy_proxy,
                   std::vector<Problem>& problems);

// Who says how the proxy's process is started: an EnvoyProxy, or else the oldest Gateway.
ObjectKey configured_by(const ProxyPlan& plan);

}  // namespace sluice::translate

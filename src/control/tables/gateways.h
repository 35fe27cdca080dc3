// Gateways and ListenerSets, the proxies that serve them, and what they offer to routes.
//
// A Gateway is translated by itself, then all of one proxy together: that is where listeners conflict and
// become sockets. On a host, sockets of several proxies want one port, and some give way. What is left is
// what each Gateway gets.
#pragma once

#include <string>

#include "control/tables/inputs.h"
#include "translate/settings.h"

namespace sluice::control::tables {

struct Gateways {
  Gateways(Graph& graph, const translate::Settings& settings, const Inputs& in,
           const translate::Projections& projections);

  // Each by itself.
  const Table<NamespacedName, translate::GatewayPlan>& gateways;
  const Table<NamespacedName, translate::ClasslessGateway>& classless;
  const Table<NamespacedName, translate::ListenerDoor>& doors;
  const Table<NamespacedName, translate::ListenerSetPlan>& listener_sets;

  // Those of one proxy together.
  const Index<NamespacedName, NamespacedName, translate::ListenerSetPlan>& listener_sets_of;  // by Gateway
  const Index<ir::ProxyKey, NamespacedName, translate::GatewayPlan>& gateways_of;
  const Table<ir::ProxyKey, translate::TelemetryRow>& telemetry;
  const Index<NamespacedName, ir::ProxyKey, translate::TelemetryRow>& telemetry_of;  // by EnvoyProxy
  const Table<NamespacedName, translate::PolicyProblems>& telemetry_problems;
  const Table<ir::ProxyKey, translate::ProxyPlan>& lone_proxies;

  // Those of one port of the host.
  const Table<XdsKey, translate::PortClaim>& port_claims;
  const Index<translate::HostPort, XdsKey, translate::PortClaim>& claims_of;
  const Table<translate::HostPort, translate::LostPorts>& lost_ports;

  // What is served.
  const Table<ir::ProxyKey, translate::ProxyPlan>& proxies;
  const Table<NamespacedName, translate::GatewayPlan>& served;
  const Table<NamespacedName, translate::ServedListenerSet>& served_listener_sets;
  const Table<ObjectKey, translate::AttachPoints>& attach_points;  // of Gateways and ListenerSets

  // To which routes attach that ask for default ones.
  const Table<NamespacedName, translate::Named>& default_gateways;
  const Index<std::string, NamespacedName, translate::Named>& default_gateways_of;  // by scope
};

}  // namespace sluice::control::tables

#include "control/tables/gateways.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "control/tables/unless_refused.h"
#include "translate/attach.h"
#include "translate/gateway.h"
#include "translate/listener_set.h"
#include "translate/port_claims.h"
#include "translate/proxy_plan.h"
#include "translate/telemetry.h"

namespace sluice::control::tables {

using translate::GatewayPlan;
using translate::ListenerSetPlan;
using translate::PortClaim;
using translate::ProxyPlan;

Gateways::Gateways(Graph& graph, const translate::Settings& settings, const Inputs& in,
                   const translate::Projections& projections)
    : gateways(graph.map(
          "gateways", in.objects.gateways,
          [&](const NamespacedName& name, const api::Gateway& g, Reads& reads) {
            return unless_refused(in.refused, name, g, reads, [&](const api::Gateway& version) {
              return translate::plan_gateway(name, version, settings, in.objects, projections, reads);
            });
          })),
      classless(graph.map("gateways without a class", in.objects.gateways,
                          [&](const NamespacedName& name, const api::Gateway& gateway, Reads& reads) {
                            return translate::find_classless(name, gateway, settings, in.objects, projections,
                                                             reads);
                          })),
      doors(graph.map("listener doors", in.objects.gateways,
                      [&](const NamespacedName&, const api::Gateway& g, Reads& reads) {
                        return translate::listener_door(g, settings, projections, reads);
                      })),
      listener_sets(graph.map(
          "listener sets", in.objects.listener_sets,
          [&](const NamespacedName& name, const api::ListenerSet& set, Reads& reads) {
            return unless_refused(in.refused, name, set, reads, [&](const api::ListenerSet& version) {
              return translate::plan_listener_set(name, version, in.objects, projections, doors, reads);
            });
          })),

      listener_sets_of(graph.index("listener sets by gateway", listener_sets,
                                   [](const NamespacedName&, const ListenerSetPlan& plan) {
                                     return plan.attached ? std::optional(plan.gateway) : std::nullopt;
                                   })),
      gateways_of(graph.index("gateways by proxy", gateways,
                              [](const NamespacedName&, const GatewayPlan& plan) { return plan.proxy; })),
      telemetry(graph.group("telemetry", gateways_of,
                            [&, this](const ir::ProxyKey& proxy, Reads& reads) {
                              const GatewayPlan* oldest = nullptr;
                              for (const auto& [name, plan] : reads.group(gateways_of, proxy)) {
                                if (oldest == nullptr || translate::is_older(plan, *oldest)) oldest = &plan;
                              }
                              return translate::read_telemetry(proxy, *oldest, settings, in.objects,
                                                               projections, reads);
                            })),
      telemetry_of(graph.index(
          "telemetry by EnvoyProxy", telemetry,
          [](const ir::ProxyKey&, const translate::TelemetryRow& row) { return row.envoy_proxy; })),
      telemetry_problems(
          graph.group("problems of telemetry", telemetry_of,
                      [this](const NamespacedName& envoy_proxy, Reads& reads) {
                        translate::PolicyProblems all;
                        for (const auto& [proxy, row] : reads.group(telemetry_of, envoy_proxy)) {
                          for (const Problem& problem : row.problems) {
                            if (std::ranges::find(all.problems, problem) == all.problems.end()) {
                              all.problems.push_back(problem);
                            }
                          }
                        }
                        return all;
                      })),
      lone_proxies(graph.group("proxies by themselves", gateways_of,
                               [this, &settings](const ir::ProxyKey& proxy, Reads& reads) {
                                 std::vector<GatewayPlan> plans;
                                 for (const auto& [name, plan] : reads.group(gateways_of, proxy)) {
                                   std::vector<const ListenerSetPlan*> sets;
                                   for (const auto& [set, its_plan] : reads.group(listener_sets_of, name)) {
                                     sets.push_back(&its_plan);
                                   }
                                   plans.push_back(plan);
                                   translate::join_listener_sets(plans.back(), std::move(sets));
                                 }
                                 return translate::plan_proxy(proxy, std::move(plans),
                                                              *reads.get(telemetry, proxy), settings);
                               })),

      port_claims(graph.map_many("claims to ports", lone_proxies,
                                 [&settings](const ir::ProxyKey& proxy, const ProxyPlan& plan) {
                                   return settings.on_host ? translate::port_claims(proxy, plan)
                                                           : Rows<XdsKey, PortClaim>();
                                 })),
      claims_of(graph.index("claims by port", port_claims,
                            [](const XdsKey&, const PortClaim& claim) { return claim.port; })),
      lost_ports(graph.group("lost ports", claims_of,
                             [this](const translate::HostPort& port, Reads& reads) {
                               std::vector<std::pair<XdsKey, const PortClaim*>> claims;
                               for (const auto& [socket, claim] : reads.group(claims_of, port)) {
                                 claims.emplace_back(socket, &claim);
                               }
                               return translate::settle_port(claims);
                             })),

      proxies(graph.map(
          "proxies", lone_proxies,
          [this](const ir::ProxyKey& proxy, const ProxyPlan& plan, Reads& reads) {
            return translate::give_way(plan, [&](const translate::SocketPlan& socket) -> const PortClaim* {
              const translate::HostPort port{socket.listener.port, socket.listener.udp.has_value()};
              const translate::LostPorts* lost = reads.get(lost_ports, port);
              if (lost == nullptr) return nullptr;
              const auto at = lost->find(XdsKey{proxy, socket.listener.name});
              return at == lost->end() ? nullptr : &at->second;
            });
          })),
      served(graph.map_many("served gateways", proxies,
                            [](const ir::ProxyKey&, const ProxyPlan& plan) {
                              Rows<NamespacedName, GatewayPlan> rows;
                              for (const GatewayPlan& gateway : plan.gateways) {
                                rows.emplace_back(gateway.gateway, gateway);
                              }
                              return rows;
                            })),
      served_listener_sets(graph.map_many("served listener sets", served,
                                          [](const NamespacedName&, const GatewayPlan& plan) {
                                            return translate::served_listener_sets(plan);
                                          })),
      attach_points(graph.map_many("attach points", served,
                                   [&settings](const NamespacedName&, const GatewayPlan& plan) {
                                     return translate::attach_points(plan, settings);
                                   })),

      default_gateways(graph.map("default gateways", in.objects.gateways,
                                 [this](const NamespacedName& name, const api::Gateway& gateway,
                                        Reads& reads) -> std::optional<translate::Named> {
                                   // Ours may be served as their last good versions.
                                   const GatewayPlan* plan = reads.get(gateways, name);
                                   const bool takes = plan != nullptr ? plan->takes_defaults
                                                                      : translate::is_default(gateway);
                                   return takes ? std::optional(translate::Named()) : std::nullopt;
                                 })),
      default_gateways_of(graph.index("default gateways by scope", default_gateways,
                                      [](const NamespacedName&, const translate::Named&) {
                                        return std::optional(std::string(translate::kDefaultScope));
                                      })) {}

}  // namespace sluice::control::tables

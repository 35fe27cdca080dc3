#include "control/tables/statuses.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "translate/addresses.h"
#include "translate/inference_pool.h"
#include "translate/policy/backend_tls.h"
#include "translate/policy/traffic.h"
#include "translate/status.h"
#include "translate/unserved.h"
#include "translate/x_backend.h"

namespace sluice::control::tables {

using translate::GatewayPlan;
using translate::ListenerKey;
using translate::ListenerPlan;
using translate::ObjectStatus;
using translate::RouteResult;

namespace {

// Marks the listeners of which the proxy does not serve the socket or the routes; true where it serves none.
bool mark_unserved(const Inputs& in, const ir::ProxyKey& proxy, std::vector<ListenerPlan>& all_listeners,
                   Reads& reads) {
  bool some = false;
  bool all = true;
  for (ListenerPlan& listener : all_listeners) {
    if (listener.socket.empty()) continue;
    const translate::Unserved* why = reads.get(in.unserved, XdsKey{proxy, listener.socket});
    if (why == nullptr) why = reads.get(in.unserved, XdsKey{proxy, listener.route_table});
    if (why == nullptr) {
      all = false;
      continue;
    }
    some = true;
    translate::set_unserved(listener, *why);
  }
  return some && all;
}

std::optional<translate::SocketProblems> unserved_problems_of(const XdsKey& key,
                                                              const translate::Unserved& why,
                                                              const translate::ProxyPlan& plan) {
  std::vector<const ListenerPlan*> of_it;
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      if (listener.socket == key.name || listener.route_table == key.name) of_it.push_back(&listener);
    }
  }
  if (of_it.empty()) return std::nullopt;
  return translate::SocketProblems{{translate::unserved_problem(why, of_it)}};
}

const StatusTable& class_statuses(Graph& graph, const Inputs& in, const Projections& projections) {
  return graph.map("statuses of classes", projections.classes,
                   [&in](const NamespacedName& name, const translate::ClassRow& row,
                         Reads& reads) -> std::optional<ObjectStatus> {
                     if (!row.ours) return std::nullopt;
                     return translate::class_status(*reads.get(in.objects.gateway_classes, name), row);
                   });
}

constexpr char kDeaf[] = "None of its listeners can be served";

const StatusTable& gateway_statuses(Graph& graph, const Inputs& in, const Gateways& gateways,
                                    const Statuses& statuses) {
  return graph.map(
      "statuses of gateways", gateways.served,
      [&in, &statuses](const NamespacedName& name, const GatewayPlan& served,
                       Reads& reads) -> std::optional<ObjectStatus> {
        const api::Gateway* gateway = reads.get(in.objects.gateways, name);
        if (gateway == nullptr) return std::nullopt;
        GatewayPlan plan = served;
        const bool deaf = mark_unserved(in, plan.proxy, plan.listeners, reads);
        ObjectStatus status = translate::gateway_status(*gateway, plan, [&](const ListenerKey& listener) {
          return reads.group(statuses.attached, listener).size();
        });
        if (reads.get(in.infrastructure, Inputs::kInstalled) != nullptr) {
          translate::add_installation(status, *gateway, plan, reads.get(in.installations, plan.proxy),
                                      reads.get(in.node_addresses, Inputs::kInstalled),
                                      deaf ? std::string(kDeaf) : std::string());
        } else if (const ProxyState* state = reads.get(in.proxy_states, plan.proxy)) {
          const bool serves = state->ready && state->programmed && !deaf;
          translate::add_proxy_conditions(status, plan.accepted, serves, deaf ? kDeaf : state->message);
          if (serves && plan.accepted) {
            status.addresses = translate::addresses_of(plan, reads.get(in.host_addresses, translate::kHost));
          }
        }
        if (plan.takes_defaults) status.conditions.push_back(translate::default_gateway_condition());
        return status;
      });
}

const StatusTable& listener_set_statuses(Graph& graph, const Inputs& in, const Gateways& gateways,
                                         const Statuses& statuses) {
  return graph.map(
      "statuses of listener sets", gateways.listener_sets,
      [&in, &gateways, &statuses](const NamespacedName& name, const translate::ListenerSetPlan& plan,
                                  Reads& reads) -> std::optional<ObjectStatus> {
        const api::ListenerSet* set = reads.get(in.objects.listener_sets, name);
        if (set == nullptr || (!plan.attached && plan.conditions.empty())) return std::nullopt;
        const translate::ServedListenerSet* row = reads.get(gateways.served_listener_sets, name);
        std::optional<translate::ServedListenerSet> served;
        if (row != nullptr) {
          served = *row;
          mark_unserved(in, served->proxy, served->listeners, reads);
        }
        ObjectStatus status = translate::listener_set_status(
            set->metadata.generation, plan, served ? &*served : nullptr,
            [&](const ListenerKey& listener) { return reads.group(statuses.attached, listener).size(); });
        if (served && reads.get(in.infrastructure, Inputs::kInstalled) != nullptr) {
          const translate::Installation* installation = reads.get(in.installations, served->proxy);
          if (installation == nullptr || installation->available == 0) {
            translate::await_proxy(status, installation == nullptr ? "" : installation->fault);
          }
          return status;
        }
        const ProxyState* state = served ? reads.get(in.proxy_states, served->proxy) : nullptr;
        if (state != nullptr && !(state->ready && state->programmed)) {
          translate::await_proxy(status, state->message);
        }
        return status;
      });
}

// Those of one kind of routes.
template <typename T>
const StatusTable& route_statuses(Graph& graph, std::string name, const Input<NamespacedName, T>& objects,
                                  const Routes::Results& results, const Statuses& statuses) {
  return graph.map(std::move(name), results,
                   [&objects, &statuses](const NamespacedName& route, const RouteResult& result,
                                         Reads& reads) -> std::optional<ObjectStatus> {
                     const T* object = reads.get(objects, route);
                     if (object == nullptr || result.parents.empty()) return std::nullopt;
                     const ObjectKey key = object_key<T>(route);
                     std::map<std::string, std::set<ObjectKey>> overlaps;
                     for (const auto& [host, row] : reads.group(statuses.overlaps_of, key)) {
                       const auto mine = row.overlaps.find(key);
                       if (mine != row.overlaps.end()) {
                         overlaps[host.table].insert(mine->second.begin(), mine->second.end());
                       }
                     }
                     return translate::route_status(object->metadata.generation, result, overlaps);
                   });
}

const StatusTable& backend_statuses(Graph& graph, const translate::Settings& settings, const Inputs& in,
                                    const Policies& policies) {
  return graph.map(
      "statuses of backends", in.objects.backends,
      [&settings, &policies](const NamespacedName& name, const api::Backend& backend, Reads& reads) {
        return translate::backend_status(backend, *reads.get(policies.backends, name), settings);
      });
}

// Where a policy or an XBackend has been met.
std::vector<translate::PolicyUse> uses_of(const ObjectKey& object, const Statuses& statuses, Reads& reads) {
  std::vector<translate::PolicyUse> uses;
  for (const auto& [route, result] : reads.group(statuses.met_by, object)) {
    for (const translate::PolicyUse& use : result.policies_met) {
      if (use.policy == object) uses.push_back(use);
    }
  }
  for (const auto& [extensions, row] : reads.group(statuses.met_by_extensions, object)) {
    for (translate::PolicyUse use : translate::backend_tls_policies_met(extensions, row)) {
      if (use.policy == object) uses.push_back(std::move(use));
    }
  }
  for (const auto& [proxy, row] : reads.group(statuses.met_by_telemetry, object)) {
    for (const translate::PolicyUse& use : row.policies_met) {
      // Proxies may have one EnvoyProxy.
      if (use.policy == object && std::ranges::find(uses, use) == uses.end()) uses.push_back(use);
    }
  }
  return uses;
}

const StatusTable& traffic_policy_statuses(Graph& graph, const Inputs& in, const Statuses& statuses) {
  return graph.map(
      "statuses of traffic policies", in.objects.x_backend_traffic_policies,
      [&statuses](const NamespacedName& name, const api::XBackendTrafficPolicy& policy, Reads& reads) {
        return translate::traffic_policy_status(
            policy, uses_of(object_key<api::XBackendTrafficPolicy>(name), statuses, reads));
      });
}

const StatusTable& x_backend_statuses(Graph& graph, const Inputs& in, const Policies& policies,
                                      const Statuses& statuses) {
  return graph.map("statuses of XBackends", in.objects.x_backends,
                   [&policies, &statuses](const NamespacedName& name, const api::XBackend& backend,
                                          Reads& reads) -> std::optional<ObjectStatus> {
                     auto uses = uses_of(object_key<api::XBackend>(name), statuses, reads);
                     if (uses.empty()) return std::nullopt;
                     return translate::x_backend_status(backend, *reads.get(policies.x_backends, name),
                                                        std::move(uses));
                   });
}

const StatusTable& backend_tls_policy_statuses(Graph& graph, const Inputs& in, const Policies& policies,
                                               const Statuses& statuses) {
  return graph.map(
      "statuses of backend TLS policies", in.objects.backend_tls_policies,
      [&policies, &statuses](const NamespacedName& name, const api::BackendTLSPolicy& policy, Reads& reads) {
        return translate::backend_tls_policy_status(
            policy, *reads.get(policies.backend_tls, name),
            uses_of(object_key<api::BackendTLSPolicy>(name), statuses, reads));
      });
}

const StatusTable& extension_policy_statuses(Graph& graph, const Inputs& in, const Extensions& extensions,
                                             const Statuses& statuses) {
  return graph.map("statuses of extension policies", in.objects.envoy_extension_policies,
                   [&extensions, &statuses](const NamespacedName& name,
                                            const api::EnvoyExtensionPolicy& policy, Reads& reads) {
                     return translate::extension_policy_status(name, policy,
                                                               *reads.get(extensions.policies, name),
                                                               statuses.policy_environment, reads);
                   });
}

const StatusTable& patch_policy_statuses(Graph& graph, const Inputs& in, const Patches& patches,
                                         const PatchedResources& patched) {
  return graph.map("statuses of patch policies", patches.policies,
                   [&in, &patches, &patched](const NamespacedName& name, const translate::PatchPolicyRow& row,
                                             Reads& reads) -> std::optional<ObjectStatus> {
                     const api::EnvoyPatchPolicy* policy = reads.get(in.objects.envoy_patch_policies, name);
                     if (policy == nullptr || !row.proxy) return std::nullopt;
                     const translate::PlacedPatches* placed = reads.get(patches.placed, name);
                     std::vector<const translate::PatchFault*> faults;
                     if (placed != nullptr) faults = faults_of(name, *placed, patched, reads);
                     return translate::patch_policy_status(*policy, row, faults);
                   });
}

const StatusTable& envoy_proxy_statuses(Graph& graph, const Inputs& in, const Gateways& gateways,
                                        const Statuses& statuses) {
  return graph.map("statuses of EnvoyProxies", in.objects.envoy_proxies,
                   [&gateways, &statuses](const NamespacedName& name, const api::EnvoyProxy& envoy_proxy,
                                          Reads& reads) -> std::optional<ObjectStatus> {
                     std::vector<NamespacedName> used_by;
                     for (const auto& [gateway, plan] : reads.group(statuses.gateways_with, name)) {
                       used_by.push_back(gateway);
                     }
                     std::vector<std::string> classes;
                     for (const auto& [name_of_class, row] : reads.group(statuses.classes_with, name)) {
                       classes.push_back(name_of_class.name);
                     }
                     if (used_by.empty() && classes.empty()) return std::nullopt;
                     std::string wrong;
                     for (const auto& [proxy, row] : reads.group(gateways.telemetry_of, name)) {
                       if (wrong.empty()) wrong = row.error;
                     }
                     return translate::envoy_proxy_status(envoy_proxy, classes, used_by, wrong);
                   });
}

// A pool that no Gateway sends to has none.
const StatusTable& pool_statuses(Graph& graph, const Inputs& in, const Pools& pools,
                                 const PickedPools& picked) {
  return graph.map("statuses of pools", in.objects.inference_pools,
                   [&pools, &picked](const NamespacedName& name, const api::InferencePool& pool,
                                     Reads& reads) -> std::optional<ObjectStatus> {
                     const std::vector<translate::PoolUse> uses = picked.uses(name, reads);
                     if (uses.empty()) return std::nullopt;
                     return translate::pool_status(pool, *reads.get(pools.views, name), uses);
                   });
}

// Those of InferenceObjectives and InferenceModelRewrites.
template <typename T>
const StatusTable& extra_statuses(Graph& graph, std::string name, const Input<NamespacedName, T>& objects,
                                  const Table<NamespacedName, translate::PoolExtraRow>& rows) {
  return graph.map(std::move(name), rows,
                   [&objects](const NamespacedName& object, const translate::PoolExtraRow& row,
                              Reads& reads) -> std::optional<ObjectStatus> {
                     const T* is = reads.get(objects, object);
                     if (is == nullptr || row.conditions.empty()) return std::nullopt;
                     return translate::status_of(row, is->metadata.generation);
                   });
}

}  // namespace

Statuses::Statuses(Graph& graph, const translate::Settings& settings, const Inputs& in,
                   const Projections& projections, const Policies& policies, const Gateways& gateways,
                   const Patches& patches, const PatchedResources& patched, const Extensions& extensions,
                   const Routes& routes, const RouteTables& route_tables, const Pools& pools,
                   const PickedPools& picked)
    : unserved_problems(graph.map("problems of unserved sockets", in.unserved,
                                  [&gateways](const XdsKey& key, const translate::Unserved& why,
                                              Reads& reads) -> std::optional<translate::SocketProblems> {
                                    const translate::ProxyPlan* plan = reads.get(gateways.proxies, key.proxy);
                                    if (plan == nullptr) return std::nullopt;
                                    return unserved_problems_of(key, why, *plan);
                                  })),
      routes_with_policies(graph.index("routes with policies by parent", routes.all,
                                       [](const ObjectKey&, const RouteResult& result) {
                                         std::set<ObjectKey> parents;
                                         if (!result.extension_policies.empty()) {
                                           for (const translate::ParentStatus& parent : result.parents) {
                                             parents.insert(parent.parent);
                                             parents.insert(object_key<api::Gateway>(parent.gateway));
                                           }
                                         }
                                         return std::vector<ObjectKey>(parents.begin(), parents.end());
                                       })),
      policy_environment{in.objects,         extensions.labels, extensions.labels_of, gateways.attach_points,
                         gateways.served,    routes.all,        routes_with_policies, extensions.policies_of,
                         in.refused_clusters},
      extension_targets(graph.map(
          "targets of extension policies", extensions.policies,
          [this](const NamespacedName& name, const translate::ExtensionPolicyRow& row, Reads& reads) {
            return translate::check_extension_policy(name, row, policy_environment, reads);
          })),

      attached(graph.index("attached routes", routes.all,
                           [](const ObjectKey&, const RouteResult& result) {
                             Groups<ListenerKey> keys;
                             for (const translate::ParentStatus& parent : result.parents) {
                               for (const std::string& listener : parent.attached_listeners) {
                                 keys.push_back({parent.parent, listener});
                               }
                             }
                             return keys;
                           })),
      overlaps_of(graph.index("overlaps by route", route_tables.hosts,
                              [](const HostKey&, const HostRow& host) {
                                std::vector<ObjectKey> keys;
                                for (const auto& [route, others] : host.overlaps) keys.push_back(route);
                                return keys;
                              })),
      met_by(graph.index("routes by policies of backends", routes.all,
                         [](const ObjectKey&, const RouteResult& result) {
                           std::vector<ObjectKey> met;
                           for (const translate::PolicyUse& use : result.policies_met) {
                             met.push_back(use.policy);
                           }
                           return met;
                         })),
      met_by_extensions(graph.index("extension policies by policies of backends", extensions.policies,
                                    [](const NamespacedName& name, const translate::ExtensionPolicyRow& row) {
                                      std::vector<ObjectKey> met;
                                      for (const translate::PolicyUse& use :
                                           translate::backend_tls_policies_met(name, row)) {
                                        met.push_back(use.policy);
                                      }
                                      return met;
                                    })),
      met_by_telemetry(graph.index("telemetry by policies of backends", gateways.telemetry,
                                   [](const ir::ProxyKey&, const translate::TelemetryRow& row) {
                                     std::vector<ObjectKey> met;
                                     for (const translate::PolicyUse& use : row.policies_met) {
                                       met.push_back(use.policy);
                                     }
                                     return met;
                                   })),
      gateways_with(
          graph.index("gateways by EnvoyProxy", gateways.served,
                      [](const NamespacedName&, const GatewayPlan& plan) { return plan.own_envoy_proxy; })),
      classes_with(graph.index("classes by EnvoyProxy", projections.classes,
                               [](const NamespacedName&, const translate::ClassRow& row) {
                                 return row.ours ? row.envoy_proxy : std::nullopt;
                               })),

      all{{api::kind_of<api::GatewayClass>(), class_statuses(graph, in, projections)},
          {api::kind_of<api::Gateway>(), gateway_statuses(graph, in, gateways, *this)},
          {api::kind_of<api::ListenerSet>(), listener_set_statuses(graph, in, gateways, *this)},
          {api::kind_of<api::HTTPRoute>(),
           route_statuses(graph, "statuses of http routes", in.objects.http_routes, routes.http, *this)},
          {api::kind_of<api::GRPCRoute>(),
           route_statuses(graph, "statuses of grpc routes", in.objects.grpc_routes, routes.grpc, *this)},
          {api::kind_of<api::BackendTLSPolicy>(), backend_tls_policy_statuses(graph, in, policies, *this)},
          {api::kind_of<api::TLSRoute>(),
           route_statuses(graph, "statuses of tls routes", in.objects.tls_routes, routes.tls, *this)},
          {api::kind_of<api::TCPRoute>(),
           route_statuses(graph, "statuses of tcp routes", in.objects.tcp_routes, routes.tcp, *this)},
          {api::kind_of<api::UDPRoute>(),
           route_statuses(graph, "statuses of udp routes", in.objects.udp_routes, routes.udp, *this)},
          {api::kind_of<api::Backend>(), backend_statuses(graph, settings, in, policies)},
          {api::kind_of<api::EnvoyExtensionPolicy>(),
           extension_policy_statuses(graph, in, extensions, *this)},
          {api::kind_of<api::EnvoyPatchPolicy>(), patch_policy_statuses(graph, in, patches, patched)},
          {api::kind_of<api::EnvoyProxy>(), envoy_proxy_statuses(graph, in, gateways, *this)},
          {api::kind_of<api::InferencePool>(), pool_statuses(graph, in, pools, picked)},
          {api::kind_of<api::InferenceObjective>(),
           extra_statuses(graph, "statuses of objectives", in.objects.inference_objectives,
                          pools.objectives)},
          {api::kind_of<api::InferenceModelRewrite>(),
           extra_statuses(graph, "statuses of model rewrites", in.objects.inference_model_rewrites,
                          pools.rewrites)},
          {api::kind_of<api::XBackend>(), x_backend_statuses(graph, in, policies, *this)},
          {api::kind_of<api::XBackendTrafficPolicy>(), traffic_policy_statuses(graph, in, *this)}} {}

}  // namespace sluice::control::tables

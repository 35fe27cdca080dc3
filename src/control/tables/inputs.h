// What goes in: the user's objects, the host, and what came back from the proxies.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

#include "control/tables/declare.h"
#include "control/tables/rows.h"
#include "infra/objects.h"
#include "translate/installation.h"
#include "translate/tables.h"

namespace sluice::control::tables {

struct Inputs {
  explicit Inputs(Graph& graph);

  const translate::Inputs objects;
  Input<ObjectKey, Refusal>& refused;  // of whatever kind
  // Objects with mistakes of their own, of which there may be a last good version all the same.
  Input<ObjectKey, translate::Named>& unusable;
  Input<std::string, translate::HostAddresses>& host_addresses;
  Input<XdsKey, translate::Unserved>& unserved;  // by socket or route table
  Input<XdsKey, std::string>& refused_clusters;  // that a proxy did not take, and its words
  Input<ir::ProxyKey, ProxyState>& proxy_states;
  // Where Envoys run in a cluster: how their objects are made (at kInstalled), what there is of them, and the
  // nodes' addresses (at kInstalled).
  static constexpr char kInstalled[] = "cluster";
  Input<std::string, infra::Settings>& infrastructure;
  Input<ir::ProxyKey, translate::Installation>& installations;
  Input<std::string, translate::NodeAddresses>& node_addresses;
  Input<std::string, std::uint64_t>& module_changes;  // how often that of a slot has changed by itself

  // The table of a bound type.
  template <typename T>
  Input<NamespacedName, T>& table() const {
    const translate::Inputs& in = objects;
    return *pick<T>(in.gateway_classes, in.gateways, in.listener_sets, in.http_routes, in.grpc_routes,
                    in.tls_routes, in.tcp_routes, in.udp_routes, in.reference_grants, in.backend_tls_policies,
                    in.backends, in.envoy_proxies, in.envoy_extension_policies, in.envoy_patch_policies,
                    in.http_route_filters, in.namespaces, in.services, in.endpoint_slices, in.secrets,
                    in.config_maps, in.cluster_trust_bundles, in.service_imports, in.pods, in.inference_pools,
                    in.inference_objectives, in.inference_model_rewrites, in.x_backends,
                    in.x_backend_traffic_policies);
  }

  // Calls f(Input<NamespacedName, T>&) with the table of a kind, if it is one of ours.
  template <typename F>
  void with_table(const GroupKind& kind, F f) const {
    const auto try_one = [&]<typename T>(std::type_identity<T>) {
      if (kind == api::kind_of<T>()) f(table<T>());
    };
    [&]<typename... T>(std::type_identity<std::variant<std::shared_ptr<const T>...>>) {
      (try_one(std::type_identity<T>()), ...);
    }(std::type_identity<api::Object>());
  }

 private:
  // That of the tables whose type it is. No tuple: compilers take a second for one of so many types.
  template <typename T, typename... Tables>
  static Input<NamespacedName, T>* pick(Tables&... tables) {
    void* found = nullptr;
    ((std::is_same_v<Tables, Input<NamespacedName, T>> ? void(found = &tables) : void()), ...);
    return static_cast<Input<NamespacedName, T>*>(found);
  }
};

}  // namespace sluice::control::tables

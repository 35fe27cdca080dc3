#include "control/tables/extensions.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "control/launch_check.h"
#include "translate/filter_order.h"
#include "translate/gateway.h"
#include "translate/refusal.h"

namespace sluice::control::tables {
namespace {

using translate::Version;
using Policy = api::EnvoyExtensionPolicy;

bool refuses(const Refusal* refusal, const Policy& policy) {
  return refusal != nullptr && *std::get<std::shared_ptr<const Policy>>(refusal->refused) == policy;
}

// What is served in place of a refused policy. That of another text: with the same one, the policy was good
// as long as it had other code.
const Policy* last_good_beside(const Refusal* refusal, const Policy& policy) {
  if (!refuses(refusal, policy) || !refusal->last_good) return nullptr;
  const Policy& last_good = *std::get<std::shared_ptr<const Policy>>(*refusal->last_good);
  return last_good == policy ? nullptr : &last_good;
}

const std::shared_ptr<const api::StringMap> kNoLabels = std::make_shared<const api::StringMap>();

template <typename T>
auto labels_of_kind(Graph& graph, std::string name, const Input<NamespacedName, T>& objects) {
  const auto& labels = graph.map(std::move(name), objects, [](const NamespacedName&, const T& object) {
    const api::StringMap& its = object.metadata.labels;
    return its.empty() ? kNoLabels : std::make_shared<const api::StringMap>(its);
  });
  return flow::Part<NamespacedName, api::StringMap, ObjectKey (*)(const NamespacedName&)>{labels,
                                                                                          object_key<T>};
}

std::string slot(const std::string& key) { return key; }

// Slots of policies and of EnvoyProxies differ in what is between two of their slashes.
flow::Part<std::string, wasm::Source, std::string (*)(const std::string&)> by_slot(
    const Table<std::string, wasm::Source>& table) {
  return {table, slot};
}

}  // namespace

Extensions::Extensions(Graph& graph, const translate::Settings& settings, const Inputs& in,
                       const translate::Projections& projections, const Gateways& gateways,
                       const ModuleResolver& resolve, const std::vector<std::string>& envoy_args)
    : labels(graph.unite("labels", labels_of_kind(graph, "labels of Gateways", in.objects.gateways),
                         labels_of_kind(graph, "labels of ListenerSets", in.objects.listener_sets),
                         labels_of_kind(graph, "labels of HTTPRoutes", in.objects.http_routes),
                         labels_of_kind(graph, "labels of GRPCRoutes", in.objects.grpc_routes),
                         labels_of_kind(graph, "labels of TLSRoutes", in.objects.tls_routes),
                         labels_of_kind(graph, "labels of TCPRoutes", in.objects.tcp_routes),
                         labels_of_kind(graph, "labels of UDPRoutes", in.objects.udp_routes))),
      labels_of(graph.index("labels by namespace", labels,
                            [](const ObjectKey& object, const api::StringMap&) {
                              Groups<translate::TargetGroup> groups;
                              groups.push_back({object.kind, object.name.namespace_});
                              groups.push_back({object.kind, {}});
                              return groups;
                            })),
      all_gateways(graph.index(
          "all gateways", gateways.gateways,
          [](const NamespacedName&, const translate::GatewayPlan&) { return translate::kAllTerms; })),
      terms(graph.group("terms of extensions", all_gateways,
                        [&, this](const std::string& all, Reads& reads) {
                          std::vector<translate::ExtensionTerms> different;
                          for (const auto& [name, plan] : reads.group(all_gateways, all)) {
                            auto its = translate::extension_terms(plan, settings);
                            if (std::ranges::find(different, its) == different.end()) {
                              different.push_back(std::move(its));
                            }
                          }
                          return different;
                        })),

      modules_of_policies(graph.map_many(
          "modules of extension policies", in.objects.envoy_extension_policies,
          [&](const NamespacedName& name, const Policy& policy, Reads& reads) {
            const translate::ModuleEnvironment modules_of{settings, in.objects, projections};
            auto wanted = translate::wanted_modules(name, policy, Version::kPresent, modules_of, reads);
            const Refusal* refusal = reads.get(in.refused, object_key<Policy>(name));
            if (const auto* last_good = last_good_beside(refusal, policy)) {
              const auto more =
                  translate::wanted_modules(name, *last_good, Version::kLastGood, modules_of, reads);
              wanted.insert(wanted.end(), more.begin(), more.end());
            }
            return wanted;
          })),
      libraries(graph.map_many("libraries of EnvoyProxies", terms,
                               [&](const std::string&, const std::vector<translate::ExtensionTerms>& all) {
                                 return translate::wanted_libraries(all, settings);
                               })),
      wanted_modules(graph.unite("wanted modules", by_slot(modules_of_policies), by_slot(libraries))),
      modules(graph.map("modules", wanted_modules,
                        [&](const std::string& slot, const wasm::Source& source, Reads& reads) {
                          reads.get(in.module_changes, slot);
                          if (resolve) return resolve(slot, source);
                          return translate::ModuleState{.state = wasm::Pending(), .stand_in = {}};
                        })),

      environment{settings, in.objects, projections, labels_of, terms, modules},
      policies(graph.map(
          "extension policies", in.objects.envoy_extension_policies,
          [this, &in](const NamespacedName& name, const Policy& policy, Reads& reads) {
            const ObjectKey key = object_key<Policy>(name);
            auto row = translate::read_extension_policy(name, policy, Version::kPresent, environment, reads);
            const Refusal* refusal = reads.get(in.refused, key);
            if (!refuses(refusal, policy) || refusal->code != translate::code_of(row)) return row;
            const auto* last_good = last_good_beside(refusal, policy);
            if (last_good == nullptr) {
              return translate::served_hardly(std::move(row), key, refusal->message, refusal->guilty);
            }
            auto instead =
                translate::read_extension_policy(name, *last_good, Version::kLastGood, environment, reads);
            instead.problems = std::move(row.problems);  // of the text that is there
            return translate::served_instead(std::move(instead), key, refusal->message, refusal->guilty);
          })),
      policies_of(graph.index("extension policies by target", policies,
                              [](const NamespacedName&, const translate::ExtensionPolicyRow& row) {
                                return translate::objects_of(row.targets);
                              })),
      filter_orders(graph.map("filter orders", in.objects.envoy_proxies,
                              [](const NamespacedName& name, const api::EnvoyProxy& envoy_proxy) {
                                return translate::check_filter_order(name, envoy_proxy.spec.filter_order);
                              })),
      launches(graph.map("launches", in.objects.envoy_proxies,
                         [&envoy_args](const NamespacedName& name, const api::EnvoyProxy& envoy_proxy) {
                           return check_launch(name, envoy_proxy, envoy_args);
                         })) {}

}  // namespace sluice::control::tables

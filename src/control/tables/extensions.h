// EnvoyExtensionPolicies: read once for all routes, which only name the filters.
#pragma once

#include <string>
#include <vector>

#include "control/tables/gateways.h"
#include "translate/policy/extension_policy.h"

namespace sluice::control::tables {

struct Extensions {
  // `resolve` may be empty: then modules are on their way for ever.
  Extensions(Graph& graph, const translate::Settings& settings, const Inputs& in,
             const translate::Projections& projections, const Gateways& gateways,
             const ModuleResolver& resolve, const std::vector<std::string>& envoy_args);

  // What policies can be attached to, by kind and namespace; for selectors.
  const Table<ObjectKey, api::StringMap>& labels;
  const translate::LabelIndex& labels_of;
  // What proxies make of extensions: one row, each only once.
  const Index<std::string, NamespacedName, translate::GatewayPlan>& all_gateways;
  const Table<std::string, std::vector<translate::ExtensionTerms>>& terms;

  // By slot: the modules that policies and EnvoyProxies want, and what became of each.
  const Table<std::string, wasm::Source>& modules_of_policies;
  const Table<std::string, wasm::Source>& libraries;
  const Table<std::string, wasm::Source>& wanted_modules;
  const Table<std::string, translate::ModuleState>& modules;

  const translate::ExtensionEnvironment environment;
  const Table<NamespacedName, translate::ExtensionPolicyRow>& policies;
  const translate::ExtensionPolicyIndex& policies_of;  // by target
  // What is wrong with the order of filters that an EnvoyProxy asks for.
  const Table<NamespacedName, translate::PolicyProblems>& filter_orders;
  // ... and with how it has Envoys started.
  const Table<NamespacedName, translate::PolicyProblems>& launches;
};

}  // namespace sluice::control::tables

// EnvoyExtensionPolicy: code of users' in the way of requests.
//
// A policy by itself (read_extension_policy) is a row with its targets and, for all terms that proxies have,
// its extensions: filters ready to be served, or what is wrong with them. What an extension needs (a
// ConfigMap, a module, a service) is looked up here, so that a change of it reruns the policy and, where the
// filter itself changes, the listeners that have it; routes only name filters. Which policy is in force where
// is for routes to say (route_extensions.h), and what its status says of that comes last.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "translate/attach.h"
#include "translate/policy/target_refs.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// What reading a policy may read besides it.
struct ExtensionEnvironment {
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
  const LabelIndex& labels;
  const flow::Table<std::string, std::vector<ExtensionTerms>>& terms;  // one row, kAllTerms
  const flow::Table<std::string, ModuleState>& modules;                // by slot
};

inline const std::string kAllTerms = "all";

// What modules are wanted depends on less.
struct ModuleEnvironment {
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
};

// Which version of a policy: the user's; or the last one that proxies took, while they refuse that, which has
// modules of its own.
enum class Version : std::uint8_t { kPresent, kLastGood };

// The modules that the policy wants, by slot; of those whose source is no good nothing is wanted.
using WantedModules = std::vector<std::pair<std::string, wasm::Source>>;
WantedModules wanted_modules(const NamespacedName& name, const api::EnvoyExtensionPolicy& policy,
                             Version version, const ModuleEnvironment& environment, flow::Reads& reads);

// The libraries that EnvoyProxies register with a URL, by slot: whatever policies make of them, so that they
// are there once one names them.
WantedModules wanted_libraries(const std::vector<ExtensionTerms>& terms, const Settings& settings);

ExtensionPolicyRow read_extension_policy(const NamespacedName& name, const api::EnvoyExtensionPolicy& policy,
                                         Version version, const ExtensionEnvironment& environment,
                                         flow::Reads& reads);

// The first extension whose cluster this is, as "extProc[0]"; nothing where none has it.
std::optional<std::string> extension_with(const ExtensionPolicyRow& row, std::string_view cluster);
// "extProc[0]": of the list in which the extensions of this kind are.
std::string place_of(ExtensionKind kind, std::size_t index);

// An id of the code that the policy brings to proxies: its scripts and modules, wherever they are from.
std::string code_of(const ExtensionPolicyRow& row);

// The name under which a proxy speaks of a plugin that the user has not named. Envoy Gateway's.
std::string plugin_name(const NamespacedName& policy, std::size_t index);

// The BackendTLSPolicies on the way to the services of a policy, whose ancestor it is then.
std::vector<PolicyUse> backend_tls_policies_met(const NamespacedName& name, const ExtensionPolicyRow& row);

}  // namespace sluice::translate

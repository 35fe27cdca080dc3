// What the readers of each kind of extension have in common. Each makes one extension of a policy, under
// some terms, or says why it cannot be used.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "translate/policy/extension_policy.h"

namespace sluice::translate {

struct ExtensionFailure {
  std::string field;  // below the extension: "valueRef.name"
  std::string code;   // of a Problem; empty: it has been told already
  std::string message;
  std::string suggestion;
};

// "<namespace>/<name>/wasm/0": of what belongs to an extension of a policy.
std::string own_name(const NamespacedName& policy, std::string_view list, std::size_t index);
// "envoyextensionpolicy/<namespace>/<name>/wasm/0": the same where patches may speak of it, so Envoy
// Gateway's.
std::string upstream_own_name(const NamespacedName& policy, std::string_view list, std::size_t index);
// Of the place for its module.
std::string slot_name(const NamespacedName& policy, Version version, std::size_t index);

// Where proxies have a module that is there: a file of this machine, or a URL of ours.
struct ModulePlace {
  std::string path;
  std::string uri;                            // where there is no path
  std::shared_ptr<const ClusterRow> cluster;  // of the URL; else null
  std::string sha256;                         // empty: of a file that we have not fetched

  std::string cluster_name() const { return cluster == nullptr ? "" : cluster->cluster.name; }
};

// A library that the EnvoyProxy registers.
struct Library {
  const api::DynamicModuleEntry* entry;
  ModulePlace place;
};

class ExtensionReader {
 public:
  ExtensionReader(const NamespacedName& of, Version which, const api::StringMap& annotated,
                  const ExtensionTerms& under, const ExtensionEnvironment& in, flow::Reads& recording,
                  ExtensionPolicyRow& row, ExtensionSet& set)
      : policy(of),
        version(which),
        annotations(annotated),
        terms(under),
        environment(in),
        reads(recording),
        row_(row),
        set_(set) {}

  const NamespacedName& policy;
  const Version version;
  const api::StringMap& annotations;  // of the policy
  const ExtensionTerms& terms;
  const ExtensionEnvironment& environment;
  flow::Reads& reads;

  // The filter in the chain, under Envoy Gateway's name: "envoy.filters.http.<kind>/envoyextensionpolicy/…".
  ir::ExtensionPtr filter(std::string_view kind, std::string_view list, std::size_t index,
                          decltype(ir::Extension::filter) filter) const;
  // It cannot be used. `list` and `index` say which one it is.
  PolicyExtension broken(std::string_view list, std::size_t index, ExtensionFailure failure, bool fail_open);
  PolicyExtension broken(std::string_view list, std::size_t index, std::vector<ExtensionFailure> failures,
                         bool fail_open);
  // It will be there.
  PolicyExtension late(bool fail_open);
  // The module of a slot, as far as there is one to serve; else what the extension is without it, and what is
  // wrong has been said, of `field`. `whose` begins such a sentence; it may be empty.
  std::expected<wasm::Ready, PolicyExtension> module(std::string_view list, std::size_t index,
                                                     const std::string& field, std::string_view whose,
                                                     const ModuleState& state, bool fail_open);
  ModulePlace place_of(const wasm::Ready& module) const;
  // A library that the EnvoyProxy registers under this name. `field` is the one with the name.
  std::expected<Library, PolicyExtension> library(std::string_view list, std::size_t index,
                                                  const std::string& field, const std::string& name,
                                                  bool fail_open);
  void add_problem(Problem problem);  // each once
  void warn(std::string_view list, std::size_t index, ExtensionFailure warning);
  void add_backend_tls_policies(const std::vector<PolicyUse>& uses);

 private:
  Problem problem(std::string_view list, std::size_t index, ExtensionFailure failure,
                  Severity severity) const;

  ExtensionPolicyRow& row_;
  ExtensionSet& set_;
};

PolicyExtension read_lua(ExtensionReader& reader, std::size_t index, const api::Lua& lua);
PolicyExtension read_ext_proc(ExtensionReader& reader, std::size_t index, const api::ExtProc& ext_proc);
PolicyExtension read_wasm(ExtensionReader& reader, std::size_t index, const api::Wasm& wasm);
PolicyExtension read_dynamic_module(ExtensionReader& reader, std::size_t index,
                                    const api::DynamicModule& module);

}  // namespace sluice::translate

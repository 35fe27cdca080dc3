#include "translate/policy/extension_policy.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/content_id.h"
#include "translate/near.h"
#include "translate/policy/extension_reader.h"
#include "translate/remote_host.h"

namespace sluice::translate {
namespace {

ObjectKey key_of(const NamespacedName& name) {
  return {.kind = api::kind_of<api::EnvoyExtensionPolicy>(), .name = name};
}

template <typename T>
void read_list(ExtensionReader& reader, const std::vector<T>& list,
               PolicyExtension (*read)(ExtensionReader&, std::size_t, const T&),
               std::vector<PolicyExtension>& to) {
  to.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) to.push_back(read(reader, i, list[i]));
}

}  // namespace

std::string own_name(const NamespacedName& policy, std::string_view list, std::size_t index) {
  return fmt::format("{}/{}/{}", policy.to_string(), list, index);
}

std::string upstream_own_name(const NamespacedName& policy, std::string_view list, std::size_t index) {
  return "envoyextensionpolicy/" + own_name(policy, list, index);
}

std::string slot_name(const NamespacedName& policy, Version version, std::size_t index) {
  return own_name(policy, "wasm", index) + (version == Version::kLastGood ? "/last-good" : "");
}

ir::ExtensionPtr ExtensionReader::filter(std::string_view kind, std::string_view list, std::size_t index,
                                         decltype(ir::Extension::filter) filter) const {
  return std::make_shared<const ir::Extension>(ir::Extension{
      .name = fmt::format("envoy.filters.http.{}/{}", kind, upstream_own_name(policy, list, index)),
      .index = static_cast<std::uint32_t>(index),
      .policy = policy,
      .filter = std::move(filter)});
}

Problem ExtensionReader::problem(std::string_view list, std::size_t index, ExtensionFailure failure,
                                 Severity severity) const {
  return {
      .code = std::move(failure.code),
      .severity = severity,
      .where = {},
      .object = key_of(policy),
      .path = fmt::format("spec.{}[{}]{}{}", list, index, failure.field.empty() ? "" : ".", failure.field),
      .message = std::move(failure.message),
      .suggestion = std::move(failure.suggestion),
      .also = {}};
}

void ExtensionReader::add_problem(Problem problem) {
  if (std::ranges::find(row_.problems, problem) == row_.problems.end()) {
    row_.problems.push_back(std::move(problem));
  }
}

PolicyExtension ExtensionReader::broken(std::string_view list, std::size_t index, ExtensionFailure failure,
                                        bool fail_open) {
  return broken(list, index, std::vector{std::move(failure)}, fail_open);
}

PolicyExtension ExtensionReader::broken(std::string_view list, std::size_t index,
                                        std::vector<ExtensionFailure> failures, bool fail_open) {
  for (ExtensionFailure& failure : failures) {
    set_.errors.push_back(fmt::format("{}[{}]: {}", list, index, failure.message));
    if (!failure.code.empty()) add_problem(problem(list, index, std::move(failure), Severity::kError));
  }
  return {.filter = nullptr, .cluster = nullptr, .fail_open = fail_open, .pending = false};
}

namespace {

std::string next_step(const wasm::Failed& failed) {
  const std::string_view mend =
      failed.failure.of_sha256 ? "correct `sha256` if that is the one that you mean" : "";
  const std::string_view retry = failed.retry_at ? "it is tried again" : "";
  return fmt::format("{}{}{}", mend, mend.empty() || retry.empty() ? "" : "; ", retry);
}

}  // namespace

PolicyExtension ExtensionReader::late(bool fail_open) {
  set_.pending = true;
  return {.filter = nullptr, .cluster = nullptr, .fail_open = fail_open, .pending = true};
}

std::expected<wasm::Ready, PolicyExtension> ExtensionReader::module(std::string_view list, std::size_t index,
                                                                    const std::string& field,
                                                                    std::string_view whose,
                                                                    const ModuleState& state,
                                                                    bool fail_open) {
  if (const auto* failed = std::get_if<wasm::Failed>(&state.state)) {
    PolicyExtension nothing = broken(list, index,
                                     {.field = field,
                                      .code = fmt::format("module/{}", wasm::name_of(failed->failure.reason)),
                                      .message = fmt::format("{}{}", whose, failed->failure.message),
                                      .suggestion = next_step(*failed)},
                                     fail_open);
    // It may be there with the next attempt; and what was there before serves on.
    nothing.pending = failed->retry_at.has_value();
    if (!state.stand_in) return std::unexpected(std::move(nothing));
  }
  const auto* ready = std::get_if<wasm::Ready>(&state.state);
  if (ready == nullptr && state.stand_in) ready = &*state.stand_in;
  if (ready == nullptr) return std::unexpected(late(fail_open));
  if (!ready->warning.empty()) {
    warn(list, index,
         {.field = field,
          .code = "module/stale",
          .message = fmt::format("{}{}", whose, ready->warning),
          .suggestion = {}});
  }
  return *ready;
}

ModulePlace ExtensionReader::place_of(const wasm::Ready& module) const {
  const Settings& settings = environment.settings;
  ModulePlace place{.path = {}, .uri = {}, .cluster = nullptr, .sha256 = module.sha256};
  if (!settings.on_host && !settings.module_server.empty())
    place.cluster = remote_host(settings.module_server);
  if (place.cluster == nullptr) {
    place.path = module.path;
  } else {
    place.uri = fmt::format("{}/{}", settings.module_server, module.path.substr(module.path.rfind('/') + 1));
  }
  return place;
}

void ExtensionReader::warn(std::string_view list, std::size_t index, ExtensionFailure warning) {
  add_problem(problem(list, index, std::move(warning), Severity::kWarning));
}

void ExtensionReader::add_backend_tls_policies(const std::vector<PolicyUse>& uses) {
  set_.backend_tls_policies.insert(set_.backend_tls_policies.end(), uses.begin(), uses.end());
}

std::string place_of(ExtensionKind kind, std::size_t index) {
  constexpr std::array<std::string_view, kExtensionKinds> kLists{"lua", "extProc", "wasm", "dynamicModule"};
  return fmt::format("{}[{}]", kLists[static_cast<std::size_t>(kind)], index);
}

std::optional<std::string> extension_with(const ExtensionPolicyRow& row, std::string_view cluster) {
  for (const auto& [terms, set] : row.sets) {
    for (std::size_t kind = 0; kind < kExtensionKinds; ++kind) {
      const std::vector<PolicyExtension>& list = set->by_kind[kind];
      for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i].cluster != nullptr && list[i].cluster->cluster.name == cluster) {
          return place_of(static_cast<ExtensionKind>(kind), i);
        }
      }
    }
  }
  return std::nullopt;
}

std::string code_of(const ExtensionPolicyRow& row) {
  std::string all;
  const auto add = [&all](std::string_view text) { all += fmt::format("{}:{}\n", text.size(), text); };
  for (const auto& [terms, set] : row.sets) {
    for (const auto& list : set->by_kind) {
      for (const PolicyExtension& extension : list) {
        if (extension.filter == nullptr) continue;
        add(extension.filter->name);
        if (const auto* lua = std::get_if<ir::Lua>(&extension.filter->filter)) add(lua->source);
        if (const auto* wasm = std::get_if<ir::Wasm>(&extension.filter->filter)) add(wasm->sha256);
        if (const auto* module = std::get_if<ir::DynamicModule>(&extension.filter->filter)) {
          add(module->path);
          add(module->sha256);
        }
      }
    }
  }
  return content_id(all);
}

ExtensionPolicyRow read_extension_policy(const NamespacedName& name, const api::EnvoyExtensionPolicy& policy,
                                         Version version, const ExtensionEnvironment& environment,
                                         flow::Reads& reads) {
  static const std::vector<std::string> kMergeTypes{"StrategicMerge", "JSONMerge"};
  ExtensionPolicyRow row;
  row.creation_timestamp = policy.metadata.creation_timestamp;
  row.merges = std::ranges::find(kMergeTypes, policy.spec.merge_type) != kMergeTypes.end();
  TargetRefs targets =
      read_targets(key_of(name), policy.spec.targets, environment.labels, environment.tables, reads);
  row.targets = std::move(targets.targets);
  row.paths = std::move(targets.paths);
  row.problems = std::move(targets.problems);
  if (const std::string& type = policy.spec.merge_type; !type.empty() && !row.merges) {
    row.problems.push_back(
        {.code = "value/merge-type",
         .severity = Severity::kError,
         .where = {},
         .object = key_of(name),
         .path = "spec.mergeType",
         .message = fmt::format("there is no merge of type `{}`: the policy replaces the farther one", type),
         .suggestion = near_name(type, "there are", kMergeTypes),
         .also = {}});
  }

  const api::EnvoyExtensionPolicySpec& spec = policy.spec;
  if (spec.lua.empty() && spec.ext_proc.empty() && spec.wasm.empty() && spec.dynamic_module.empty()) {
    row.problems.push_back(
        {.code = "value/no-extension",
         .severity = Severity::kWarning,
         .where = {},
         .object = key_of(name),
         .path = "spec",
         .message = row.merges
                        ? "the policy has no extension: it changes nothing"
                        : "the policy has no extension: its targets do without any, also without those "
                          "of policies for what they are attached to",
         .suggestion = "add one to `lua`, `extProc`, `wasm` or `dynamicModule`, or remove the policy",
         .also = {}});
  }

  const std::vector<ExtensionTerms>* all_terms = reads.get(environment.terms, kAllTerms);
  if (all_terms == nullptr) return row;
  for (const ExtensionTerms& terms : *all_terms) {
    auto set = std::make_shared<ExtensionSet>();
    ExtensionReader reader(name, version, policy.metadata.annotations, terms, environment, reads, row, *set);
    const auto list_of = [&](ExtensionKind kind) -> std::vector<PolicyExtension>& {
      return set->by_kind[static_cast<std::size_t>(kind)];
    };
    read_list(reader, policy.spec.lua, read_lua, list_of(ExtensionKind::kLua));
    read_list(reader, policy.spec.ext_proc, read_ext_proc, list_of(ExtensionKind::kExtProc));
    read_list(reader, policy.spec.wasm, read_wasm, list_of(ExtensionKind::kWasm));
    read_list(reader, policy.spec.dynamic_module, read_dynamic_module,
              list_of(ExtensionKind::kDynamicModule));
    row.sets.emplace_back(terms, std::move(set));
  }
  return row;
}

std::vector<PolicyUse> backend_tls_policies_met(const NamespacedName& name, const ExtensionPolicyRow& row) {
  const ObjectKey key = key_of(name);
  std::vector<PolicyUse> uses;
  for (const auto& [terms, set] : row.sets) {
    for (PolicyUse use : set->backend_tls_policies) {
      use.ancestor = {.group = key.kind.group(),
                      .kind = key.kind.kind(),
                      .namespace_ = name.namespace_,
                      .name = name.name};
      if (std::ranges::find(uses, use) == uses.end()) uses.push_back(std::move(use));
    }
  }
  return uses;
}

}  // namespace sluice::translate

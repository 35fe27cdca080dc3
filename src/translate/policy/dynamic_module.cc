#include <fmt/format.h>

#include "translate/near.h"
#include "translate/policy/extension_reader.h"
#include "tree/write.h"

namespace sluice::translate {
namespace {

std::string library_slot(const NamespacedName& envoy_proxy, std::string_view name) {
  return fmt::format("{}/dynamicModules/{}", envoy_proxy.to_string(), name);
}

}  // namespace

WantedModules wanted_libraries(const std::vector<ExtensionTerms>& terms, const Settings& settings) {
  WantedModules wanted;
  for (const ExtensionTerms& its : terms) {
    for (const api::DynamicModuleEntry& entry : its.modules) {
      if (!entry.source.remote || settings.known_modules.contains(entry.source.remote->url)) continue;
      wanted.emplace_back(library_slot(its.envoy_proxy.value(), entry.name),
                          wasm::HttpSource{.url = entry.source.remote->url,
                                           .sha256 = entry.source.remote->sha256,
                                           .pull_policy = wasm::PullPolicy::kIfNotPresent,
                                           .ca_pem = {},
                                           .artifact = wasm::Artifact::kLibrary});
    }
  }
  return wanted;
}

std::expected<Library, PolicyExtension> ExtensionReader::library(std::string_view list, std::size_t index,
                                                                 const std::string& field,
                                                                 const std::string& name, bool fail_open) {
  const api::DynamicModuleEntry* entry = terms.module(name);
  if (entry == nullptr) {
    std::vector<std::string> names;
    for (const api::DynamicModuleEntry& one : terms.modules) names.push_back(one.name);
    return std::unexpected(
        broken(list, index,
               {.field = field,
                .code = "reference/not-found",
                .message = fmt::format("no dynamic module `{}` is registered in the EnvoyProxy", name),
                .suggestion = names.empty() ? "register it in `dynamicModules` of the EnvoyProxy"
                                            : near_name(name, "there are", names)},
               fail_open));
  }
  Library library{.entry = entry, .place = {}};
  if (!entry->source.remote) {
    if (entry->source.local) library.place.path = entry->source.local->path;
    return library;
  }
  const api::RemoteModule& remote = *entry->source.remote;
  const std::string whose = fmt::format("dynamic module `{}`: ", name);
  const auto serve = [&](const wasm::Ready& module) {
    library.place = place_of(module);
    return library;
  };
  const auto& known = environment.settings.known_modules;
  if (const auto at = known.find(remote.url); at != known.end()) {
    if (at->second.sha256 == remote.sha256) return serve(at->second);
    return std::unexpected(
        broken(list, index,
               {.field = field,
                .code = "module/digest-mismatch",
                .message = fmt::format("{}it has the SHA-256 {}", whose, at->second.sha256),
                .suggestion = {}},
               fail_open));
  }
  const std::string slot = library_slot(terms.envoy_proxy.value(), name);
  set_.libraries.push_back(slot);
  const ModuleState* state = reads.get(environment.modules, slot);
  if (state == nullptr) return std::unexpected(late(fail_open));
  auto ready = module(list, index, field, whose, *state, fail_open);
  if (!ready) return std::unexpected(std::move(ready.error()));
  return serve(*ready);
}

PolicyExtension read_dynamic_module(ExtensionReader& reader, std::size_t index,
                                    const api::DynamicModule& module) {
  constexpr bool kFailOpen = false;
  auto library = reader.library("dynamicModule", index, "name", module.name, kFailOpen);
  if (!library) return std::move(library.error());
  ir::DynamicModule filter{.module = library->entry->name,
                           .path = library->place.path,
                           .uri = library->place.uri,
                           .cluster = library->place.cluster_name(),
                           .sha256 = library->place.sha256,
                           .filter = module.filter_name,
                           .config = module.config ? to_json(*module.config) : std::string(),
                           .do_not_close = library->entry->do_not_close,
                           .load_globally = library->entry->load_globally};
  return {.filter = reader.filter("dynamic_modules", "dynamicmodule", index, std::move(filter)),
          .cluster = std::move(library->place.cluster),
          .fail_open = kFailOpen,
          .pending = false};
}

}  // namespace sluice::translate

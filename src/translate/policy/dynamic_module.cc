#include <fmt/format.h>

#include "translate/near.h"
#include "translate/policy/extension_reader.h"
#include "translate/remote_host.h"
#include "tree/write.h"

namespace sluice::translate {

PolicyExtension read_dynamic_module(ExtensionReader& reader, std::size_t index,
                                    const api::DynamicModule& module) {
  const api::DynamicModuleEntry* entry = reader.terms.module(module.name);
  if (entry == nullptr) {
    std::vector<std::string> names;
    for (const api::DynamicModuleEntry& one : reader.terms.modules) names.push_back(one.name);
    return reader.broken(
        "dynamicModule", index,
        {.field = "name",
         .code = "reference/not-found",
         .message = fmt::format("no dynamic module `{}` is registered in the EnvoyProxy", module.name),
         .suggestion = names.empty() ? "register it in `dynamicModules` of the EnvoyProxy"
                                     : near_name(module.name, "there are", names)},
        false);
  }
  ir::DynamicModule filter{.module = entry->name,
                           .path = {},
                           .uri = {},
                           .cluster = {},
                           .sha256 = {},
                           .filter = module.filter_name,
                           .config = module.config ? to_json(*module.config) : std::string(),
                           .do_not_close = entry->do_not_close,
                           .load_globally = entry->load_globally,
                           .terminal = module.terminal_filter};
  std::shared_ptr<const ClusterRow> cluster;
  if (entry->source.remote) {
    cluster = remote_host(entry->source.remote->url);
    if (cluster == nullptr) {
      return reader.broken(
          "dynamicModule", index,
          {.field = "name",
           .code = "value/url",
           .message = fmt::format("the URL of dynamic module `{}` names no host", entry->name),
           .suggestion = {}},
          false);
    }
    filter.uri = entry->source.remote->url;
    filter.sha256 = entry->source.remote->sha256;
    filter.cluster = cluster->cluster.name;
  } else if (entry->source.local) {
    filter.path = entry->source.local->path;
  }
  return {.filter = reader.filter("dynamic_modules", index, std::move(filter)),
          .cluster = std::move(cluster),
          .fail_open = false,
          .pending = false};
}

}  // namespace sluice::translate

// For tests: all that a pipeline says, as texts to compare with what another says.
#pragma once

#include <map>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "control/pipeline.h"
#include "status/document.h"

namespace sluice::control {

// Each part under its name: "TYPE-URL PROXY NAME", "status of OBJECT", "proxy KEY", "problems".
inline std::map<std::string, std::string> outcome(const Pipeline& pipeline) {
  std::map<std::string, std::string> parts;
  for (int i = 0; i < xds::kResourceTypes; ++i) {
    const auto type = static_cast<xds::ResourceType>(i);
    const RenderedTable& table = pipeline.resources(type);
    for (const translate::XdsKey& key : table.sorted_keys()) {
      const Rendered& resource = *table.get(key);
      std::string& text = parts[fmt::format("{} {} {}", xds::type_url(type), key.proxy, key.name)];
      text = *resource.bytes;
      if (resource.names != nullptr) {
        for (const std::string& cluster : resource.names->clusters) text += "\n" + cluster;
        for (const std::string& name : resource.names->route_tables) text += "\n" + name;
      }
    }
  }
  for (const KindStatuses& kind : pipeline.statuses()) {
    for (const NamespacedName& name : kind.table.sorted_keys()) {
      const ObjectKey object{.kind = kind.kind, .name = name};
      parts["status of " + object.to_string()] =
          status::document(object, *kind.table.get(name), "controller").dump(1);
    }
  }
  for (const ir::ProxyKey& key : pipeline.proxies().sorted_keys()) {
    const ir::Proxy& proxy = pipeline.proxies().get(key)->proxy;
    parts["proxy " + key] = fmt::format("{} {} {} {}", proxy.concurrency.value_or(0), proxy.bootstrap,
                                        fmt::join(proxy.extra_args, " "), fmt::join(proxy.ports, " "));
  }
  std::string& problems = parts["problems"];
  for (const Problem& problem : pipeline.problems()) {
    problems += fmt::format("{} {} {}: {} ({})\n", problem.code, problem.object.to_string(), problem.path,
                            problem.message, problem.suggestion);
  }
  return parts;
}

}  // namespace sluice::control

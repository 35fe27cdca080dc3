#include "control/dump.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

#include "control/expiry.h"
#include "status/document.h"

namespace sluice::control {
namespace {

using xds::ResourceType;

constexpr std::array<std::pair<std::string_view, ResourceType>, xds::kResourceTypes> kSections{{
    {"listeners", ResourceType::kListener},
    {"routes", ResourceType::kRoutes},
    {"clusters", ResourceType::kCluster},
    {"endpoints", ResourceType::kEndpoints},
    {"secrets", ResourceType::kSecret},
    {"extensions", ResourceType::kExtension},
}};

std::string file_name(std::string proxy) {
  const std::size_t slash = proxy.find('/');
  if (slash != std::string::npos) proxy.replace(slash, 1, "__");
  return proxy;
}

}  // namespace

Dump translate_all(const source::Batch& batch, const translate::Settings& settings, Secrets secrets,
                   const translate::HostAddresses* host,
                   std::optional<std::chrono::system_clock::time_point> now) {
  Pipeline pipeline(settings);
  if (host != nullptr) pipeline.set_host(*host);
  for (const api::BoundObject& object : batch.upserted) pipeline.upsert(object);
  pipeline.set_unusable(batch.problems);
  pipeline.commit();

  Dump dump;
  std::map<ir::ProxyKey, std::map<std::string_view, std::vector<std::string>>> proxies;
  pipeline.proxies().for_each(
      [&](const ir::ProxyKey& proxy, const translate::ProxyPlan&) { proxies[proxy]; });
  for (const auto& [section, type] : kSections) {
    const RenderedTable& table = pipeline.resources(type);
    for (const translate::XdsKey& key : table.sorted_keys()) {
      const std::string& bytes = *table.get(key)->bytes;
      const bool redact = type == ResourceType::kSecret && secrets == Secrets::kRedacted;
      proxies[key.proxy][section].push_back(xds::to_json(type, redact ? xds::redact_secret(bytes) : bytes));
    }
  }
  for (const auto& [proxy, sections] : proxies) {
    std::string text = "{";
    for (const auto& [section, resources] : sections) {
      text += text.size() > 1 ? ",\n" : "\n";
      text += "\"" + std::string(section) + "\": [\n";
      for (std::size_t i = 0; i < resources.size(); ++i) {
        text += resources[i];
        while (text.ends_with('\n')) text.pop_back();
        text += i + 1 < resources.size() ? ",\n" : "\n";
      }
      text += "]";
    }
    dump.xds[file_name(proxy)] = text + "\n}\n";
  }

  nlohmann::json statuses = nlohmann::json::array();
  for (const KindStatuses& kind : pipeline.statuses()) {
    for (const NamespacedName& name : kind.table.sorted_keys()) {
      statuses.push_back(
          status::document({kind.kind, name}, *kind.table.get(name), settings.controller_name));
    }
  }
  dump.status_yaml = status::to_yaml(statuses);
  dump.problems = pipeline.problems();
  if (now) std::ranges::move(expired_certificates(pipeline, *now), std::back_inserter(dump.problems));
  return dump;
}

}  // namespace sluice::control

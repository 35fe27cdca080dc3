#include "control/dump.h"

#include <array>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "status/document.h"
#include "tree/parse.h"

namespace sluice::control {
namespace {

using xds::ResourceType;

constexpr std::array<std::pair<std::string_view, ResourceType>, xds::kResourceTypes> kSections{{
    {"listeners", ResourceType::kListener},
    {"routes", ResourceType::kRoutes},
    {"clusters", ResourceType::kCluster},
    {"endpoints", ResourceType::kEndpoints},
    {"secrets", ResourceType::kSecret},
}};

std::string file_name(std::string proxy) {
  const std::size_t slash = proxy.find('/');
  if (slash != std::string::npos) proxy.replace(slash, 1, "__");
  return proxy;
}

NamespacedName split(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return {"", text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

}  // namespace

Dump translate_all(const source::Batch& batch, const translate::Settings& settings, Secrets secrets,
                   const translate::HostAddresses* host) {
  Pipeline pipeline(settings);
  if (host != nullptr) pipeline.set_host(*host);
  for (const api::BoundObject& object : batch.upserted) pipeline.upsert(object);
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
  return dump;
}

std::expected<translate::Settings, Problem> read_settings(const std::string& file) {
  const auto failed = [&file](std::string message) {
    return std::unexpected(Problem{.code = "syntax/options",
                                   .severity = Severity::kError,
                                   .where = {.file = file, .line = 0, .column = 0},
                                   .object = {},
                                   .path = "",
                                   .message = std::move(message),
                                   .suggestion = ""});
  };
  std::ifstream in(file);
  if (!in) return failed("the file cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text.str(), file, &problems);
  if (!problems.empty()) return std::unexpected(problems.front());
  if (documents.size() != 1 || !documents.front().tree.is_map()) return failed("options are one YAML map");
  const Tree& tree = documents.front().tree;

  translate::Settings settings;
  const auto flag = [&tree](std::string_view name, bool otherwise) {
    const Tree* value = tree.find(name);
    return value != nullptr && value->type() == Tree::Type::kBool ? value->as_bool() : otherwise;
  };
  const auto text_of = [&tree](std::string_view name) {
    const Tree* value = tree.find(name);
    return value != nullptr && value->is_string() ? value->as_string() : std::string();
  };
  settings.implied_class = text_of("gatewayClassName");
  if (const std::string name = text_of("gatewayControllerName"); !name.empty())
    settings.controller_name = name;
  if (const std::string name = text_of("envoyProxyForGatewayClass"); !name.empty()) {
    settings.class_envoy_proxy = split(name);
  }
  settings.merge_gateways = flag("mergeGateways", settings.merge_gateways);
  settings.backend_enabled = flag("backendEnabled", settings.backend_enabled);
  settings.on_host = flag("runningOnHost", settings.on_host);
  settings.endpoint_routing_disabled = flag("endpointRoutingDisabled", settings.endpoint_routing_disabled);
  settings.lua_enabled = !flag("luaEnvoyExtensionPolicyDisabled", !settings.lua_enabled);
  settings.patch_policies_enabled = flag("envoyPatchPolicyEnabled", settings.patch_policies_enabled);
  if (const Tree* modules = tree.find("wasmModules"); modules != nullptr && modules->is_map()) {
    for (const Tree::Member& module : modules->members()) {
      const Tree* path = module.value.is_map() ? module.value.find("path") : nullptr;
      const Tree* sha256 = module.value.is_map() ? module.value.find("sha256") : nullptr;
      if (path == nullptr || !path->is_string() || sha256 == nullptr || !sha256->is_string()) continue;
      settings.known_modules[module.key] = {
          .path = path->as_string(), .sha256 = sha256->as_string(), .warning = {}};
    }
  }
  return settings;
}

}  // namespace sluice::control

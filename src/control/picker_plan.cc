#include "control/picker_plan.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/socket_address.h"

namespace sluice::control {

using translate::PickerPlan;

std::vector<PickerPlan::Server> servers_of(const api::InferencePool& pool,
                                           const std::vector<const api::Pod*>& pods) {
  std::vector<PickerPlan::Server> servers;
  for (const api::Pod* pod : pods) {
    if (!translate::is_member(pool.spec, *pod)) continue;
    for (const api::PoolPort& port : pool.spec.target_ports) {
      servers.push_back(
          {.address = host_and_port(pod->status.pod_ip, port.number), .labels = pod->metadata.labels});
    }
  }
  std::ranges::sort(servers, {}, &PickerPlan::Server::address);
  const auto twice = std::ranges::unique(servers, {}, &PickerPlan::Server::address);
  servers.erase(twice.begin(), twice.end());
  return servers;
}

std::string contents_of(const PickerPlan& plan, const std::optional<std::string>& config) {
  using nlohmann::json;
  json servers = json::array();
  for (const picker::Endpoint& endpoint : endpoints_of(plan)) {
    json& server = servers.emplace_back(json{{"address", endpoint.address}});
    if (!endpoint.labels.empty()) server["labels"] = endpoint.labels;
  }
  const picker::TrafficRules rules = rules_of(plan);
  json rewrites = json::array();
  for (const picker::ModelRewrite& rewrite : rules.rewrites) {
    json targets = json::array();
    for (const auto& target : rewrite.targets)
      targets.push_back({{"model", target.model}, {"weight", target.weight}});
    rewrites.push_back({{"models", rewrite.models}, {"targets", std::move(targets)}});
  }
  json pool{
      {"servers", std::move(servers)}, {"objectives", rules.priorities}, {"rewrites", std::move(rewrites)}};
  if (!config) pool["keepConfig"] = true;
  if (config && !config->empty()) pool["config"] = json::parse(*config);
  if (!plan.metrics.empty()) pool["metricsAt"] = plan.metrics;
  if (!plan.reads_answers) pool["readResponses"] = false;
  return pool.dump();
}

std::vector<picker::Endpoint> endpoints_of(const translate::PickerPlan& plan) {
  std::vector<picker::Endpoint> endpoints;
  endpoints.reserve(plan.servers.size());
  for (const translate::PickerPlan::Server& server : plan.servers) {
    endpoints.push_back({.address = server.address, .labels = server.labels, .models = {}});
  }
  return endpoints;
}

picker::TrafficRules rules_of(const translate::PickerPlan& plan) {
  picker::TrafficRules rules{.priorities = plan.priorities, .rewrites = {}};
  for (const api::ModelRewriteRule& rule : plan.rewrites) {
    picker::ModelRewrite& rewrite = rules.rewrites.emplace_back();
    for (const api::ModelRewriteMatch& match : rule.matches) rewrite.models.push_back(match.model);
    for (const api::ModelRewriteTarget& target : rule.targets) {
      rewrite.targets.push_back(
          {.model = target.model, .weight = static_cast<std::uint32_t>(target.weight.value_or(1))});
    }
  }
  return rules;
}

picker::Config config_of(const std::string& config) {
  if (!config.empty()) {
    std::vector<Problem> ignored;
    if (auto read = picker::read_config(config, "", &ignored)) return *std::move(read);
  }
  return {.profile = picker::default_profile(), .metrics = {}, .models = {}};
}

picker::Sources sources_of(const PickerPlan& plan, const picker::Config& config) {
  picker::Sources otherwise;
  if (!plan.metrics.empty()) {
    if (auto source = picker::parse_source(plan.metrics))
      otherwise = picker::sources_with(*std::move(source));
  }
  return picker::sources_of(config, otherwise);
}

}  // namespace sluice::control

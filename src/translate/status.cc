#include "translate/status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/backend.h"

namespace sluice::translate {

ObjectStatus class_status(const api::GatewayClass& gateway_class, const ClassRow& row) {
  ObjectStatus status;
  status.generation = gateway_class.metadata.generation;
  status.conditions = row.conditions;
  return status;
}

ObjectStatus gateway_status(const api::Gateway& gateway, const GatewayPlan& plan,
                            const std::function<std::size_t(const ListenerKey&)>& attached) {
  ObjectStatus status;
  status.generation = gateway.metadata.generation;
  status.conditions = plan.conditions;
  if (!plan.accepted) return status;
  status.listeners.reserve(plan.listeners.size());
  for (const ListenerPlan& listener : plan.listeners) {
    status.listeners.push_back({.name = listener.name,
                                .supported_kinds = listener.supported_kinds,
                                .attached_routes = attached({plan.gateway, listener.name}),
                                .conditions = listener.conditions});
  }
  return status;
}

void add_proxy_conditions(ObjectStatus& status, bool programmed, const std::string& message) {
  if (find_condition(status.conditions, "Accepted") == nullptr) {
    status.conditions.push_back({"Accepted", true, "Accepted", "The Gateway is accepted"});
  }
  if (find_condition(status.conditions, "Programmed") != nullptr) return;
  if (!find_condition(status.conditions, "Accepted")->status) {
    status.conditions.push_back({"Programmed", false, "Invalid", "The Gateway is not accepted"});
  } else if (programmed) {
    status.conditions.push_back({"Programmed", true, "Programmed", "The proxy serves the Gateway"});
  } else {
    status.conditions.push_back(
        {"Programmed", false, "Pending", message.empty() ? "The proxy is not ready" : message});
  }
}

ObjectStatus route_status(std::int64_t generation, const RouteResult& result,
                          const std::map<std::string, std::set<ObjectKey>>& overlaps_by_table) {
  ObjectStatus status;
  status.generation = generation;
  status.parents.reserve(result.parents.size());
  for (const ParentStatus& parent : result.parents) {
    Conditions conditions = parent.conditions;
    std::set<std::string> others;
    for (const std::string& table : parent.route_tables) {
      const auto found = overlaps_by_table.find(table);
      if (found == overlaps_by_table.end()) continue;
      for (const ObjectKey& other : found->second) others.insert(other.to_string());
    }
    if (!others.empty()) {
      set_condition(conditions,
                    {"RouteRulesOverlap", true, "RouteRulesOverlap",
                     fmt::format("The same match is claimed by {}: the older route gets the requests",
                                 fmt::join(others, ", "))});
    }
    status.parents.emplace_back(parent.parent_ref, std::move(conditions));
  }
  return status;
}

ObjectStatus backend_status(const api::Backend& backend, const Settings& settings) {
  ObjectStatus status;
  status.generation = backend.metadata.generation;
  if (!settings.backend_enabled) {
    status.conditions = {{"Accepted", false, "Invalid", "The kind Backend is switched off"}};
  } else if (const auto good = check_backend(backend, settings); !good) {
    status.conditions = {{"Accepted", false, "Invalid", good.error().message}};
  } else {
    status.conditions = {{"Accepted", true, "Accepted", "The Backend is accepted"}};
  }
  return status;
}

ObjectStatus envoy_proxy_status(const api::EnvoyProxy& envoy_proxy,
                                const std::vector<NamespacedName>& gateways) {
  ObjectStatus status;
  status.generation = envoy_proxy.metadata.generation;
  for (const NamespacedName& gateway : gateways) {
    api::ParentReference ref;
    ref.namespace_ = gateway.namespace_;
    ref.name = gateway.name;
    status.ancestors.emplace_back(std::move(ref),
                                  Conditions{{"Accepted", true, "Accepted", "The EnvoyProxy is accepted"}});
  }
  return status;
}

}  // namespace sluice::translate

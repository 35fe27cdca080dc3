#include "translate/status.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/filter_order.h"
#include "translate/virtual_host.h"

namespace sluice::translate {

ObjectStatus class_status(const api::GatewayClass& gateway_class, const ClassRow& row) {
  ObjectStatus status;
  status.generation = gateway_class.metadata.generation;
  status.conditions = row.conditions;
  return status;
}

namespace {

ListenerStatus listener_status(const ListenerPlan& listener,
                               const std::function<std::size_t(const ListenerKey&)>& attached) {
  return {.name = listener.name,
          .supported_kinds = listener.supported_kinds,
          .attached_routes = attached({listener.owner, listener.name}),
          .conditions = listener.conditions};
}

bool is_true(const Conditions& conditions, std::string_view type) {
  const Condition* condition = find_condition(conditions, type);
  return condition != nullptr && condition->status;
}

// Of a condition that says for how many of some listeners it holds.
Condition of_all(std::string_view type, const auto& listeners, std::string_view verb,
                 std::string_view reason_of_some) {
  const auto good =
      std::ranges::count_if(listeners, [type](const auto& l) { return is_true(l.conditions, type); });
  const std::string name(type);
  if (good == 0) return {name, false, "ListenersNotValid", fmt::format("No listener is {}", verb)};
  if (std::cmp_equal(good, listeners.size()))
    return {name, true, name, fmt::format("All listeners are {}", verb)};
  return {name, true, std::string(reason_of_some), fmt::format("Some listeners are not {}", verb)};
}

}  // namespace

ObjectStatus gateway_status(const api::Gateway& gateway, const GatewayPlan& plan,
                            const std::function<std::size_t(const ListenerKey&)>& attached) {
  ObjectStatus status;
  status.generation = gateway.metadata.generation;
  status.conditions = plan.conditions;
  if (!plan.accepted) return status;
  std::set<ObjectKey> sets;  // with a listener that is accepted
  for (const ListenerPlan& listener : plan.listeners) {
    if (listener.owner.kind == api::kind_of<api::Gateway>()) {
      status.listeners.push_back(listener_status(listener, attached));
    } else if (is_true(listener.conditions, "Accepted")) {
      sets.insert(listener.owner);
    }
  }
  status.attached_listener_sets = sets.size();
  return status;
}

Condition default_gateway_condition() {
  return {"DefaultGateway", true, "DefaultGateway",
          "Routes that ask for default Gateways (scope All) attach to the Gateway"};
}

ObjectStatus listener_set_status(std::int64_t generation, const ListenerSetPlan& plan,
                                 const ServedListenerSet* served,
                                 const std::function<std::size_t(const ListenerKey&)>& attached) {
  ObjectStatus status;
  status.generation = generation;
  status.conditions = plan.conditions;
  if (served == nullptr) return status;
  if (!served->gateway_accepted) {
    set_condition(status.conditions, {"Accepted", false, "ParentNotAccepted", "The Gateway is not accepted"});
    set_condition(status.conditions,
                  {"Programmed", false, "ParentNotAccepted", "The Gateway is not accepted"});
    return status;
  }
  for (const ListenerPlan& listener : served->listeners) {
    status.listeners.push_back(listener_status(listener, attached));
  }
  for (Condition condition : {of_all("Accepted", served->listeners, "accepted", "ListenersNotValid"),
                              of_all("Programmed", served->listeners, "programmed", "Programmed")}) {
    if (find_condition(status.conditions, condition.type) == nullptr) {
      status.conditions.push_back(std::move(condition));
    }
  }
  return status;
}

void add_acceptance(ObjectStatus& status) {
  if (find_condition(status.conditions, "Accepted") != nullptr) return;
  Condition accepted = of_all("Accepted", status.listeners, "accepted", "ListenersNotValid");
  // All that it has may be in ListenerSets.
  if (accepted.reason == "Accepted" || status.listeners.empty()) {
    accepted = {"Accepted", true, "Accepted", "The Gateway is accepted"};
  }
  status.conditions.push_back(std::move(accepted));
}

void add_proxy_conditions(ObjectStatus& status, bool to_be_served, bool programmed,
                          const std::string& message) {
  add_acceptance(status);
  if (find_condition(status.conditions, "Programmed") != nullptr) return;
  if (!to_be_served) {
    status.conditions.push_back({"Programmed", false, "Invalid", "The Gateway is not accepted"});
  } else if (programmed) {
    status.conditions.push_back({"Programmed", true, "Programmed", "The proxy serves the Gateway"});
  } else {
    status.conditions.push_back(
        {"Programmed", false, "Pending", message.empty() ? "The proxy is not ready" : message});
  }
}

void await_proxy(ObjectStatus& status, const std::string& message) {
  if (!is_true(status.conditions, "Programmed")) return;
  set_condition(status.conditions,
                {"Programmed", false, "Pending", message.empty() ? "The proxy is not ready" : message});
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
      const bool more = others.size() > kMaxOverlaps;
      if (more) others.erase(std::next(others.begin(), kMaxOverlaps), others.end());
      set_condition(conditions,
                    {"RouteRulesOverlap", true, "RouteRulesOverlap",
                     fmt::format("The same match is claimed by {}{}: the older route gets the requests",
                                 fmt::join(others, ", "), more ? " and others" : "")});
    }
    status.parents.emplace_back(parent.parent_ref, std::move(conditions));
  }
  return status;
}

ObjectStatus backend_status(const api::Backend& backend, const BackendRow& row, const Settings& settings) {
  ObjectStatus status;
  status.generation = backend.metadata.generation;
  // Type and reason the wrong way round are Envoy Gateway's, and what its users' tools look for.
  const auto refused = [](const std::string& why) {
    return Conditions{{"Invalid", false, "Accepted", "The Backend is not accepted: " + why}};
  };
  if (!settings.backend_enabled) {
    status.conditions = refused("the kind Backend is switched off");
  } else if (row.refused) {
    status.conditions = refused(row.refused->message);
  } else {
    status.conditions = {{"Accepted", true, "Accepted", "The Backend is accepted"}};
  }
  return status;
}

ObjectStatus envoy_proxy_status(const api::EnvoyProxy& envoy_proxy, const std::vector<std::string>& classes,
                                const std::vector<NamespacedName>& gateways,
                                const std::string& wrong_telemetry) {
  ObjectStatus status;
  status.generation = envoy_proxy.metadata.generation;
  Condition accepted{"Accepted", true, "Accepted", "The EnvoyProxy is accepted"};
  if (std::string wrong = wrong_filter_order(envoy_proxy); !wrong.empty()) {
    accepted = {"Accepted", false, "InvalidParameters", std::move(wrong)};
  } else if (!wrong_telemetry.empty()) {
    accepted = {"Accepted", false, "InvalidParameters", wrong_telemetry};
  }
  const auto add = [&](api::ParentReference ref) {
    status.ancestors.emplace_back(std::move(ref), Conditions{accepted});
  };
  for (const std::string& name : classes) add({.kind = "GatewayClass", .namespace_ = {}, .name = name});
  for (const NamespacedName& gateway : gateways) {
    add({.namespace_ = gateway.namespace_, .name = gateway.name});
  }
  return status;
}

}  // namespace sluice::translate

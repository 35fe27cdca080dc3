#include "translate/listener_set.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "translate/gateway.h"
#include "translate/listener.h"
#include "translate/near.h"
#include "translate/reference.h"

namespace sluice::translate {

std::optional<ListenerDoor> listener_door(const api::Gateway& gateway, const Settings& settings,
                                          const Projections& tables, flow::Reads& reads) {
  if (!is_ours(gateway, settings, tables, reads)) return std::nullopt;
  const auto& allowed = gateway.spec.allowed_listeners;
  return ListenerDoor{.namespaces = allowed ? allowed->namespaces : api::AllowedListeners().namespaces};
}

std::optional<ListenerSetPlan> plan_listener_set(const NamespacedName& name, const api::ListenerSet& set,
                                                 const Inputs& inputs, const Projections& tables,
                                                 const DoorTable& doors, flow::Reads& reads) {
  const api::ParentGatewayReference& parent = set.spec.parent_ref;
  const GroupKind parent_kind(parent.group, parent.kind);
  const ObjectKey self{.kind = api::kind_of<api::ListenerSet>(), .name = name};
  ListenerSetPlan plan;
  plan.set = name;
  plan.creation_timestamp = set.metadata.creation_timestamp;
  plan.gateway = {parent.namespace_.value_or(name.namespace_), parent.name};
  if (parent_kind != api::kind_of<api::Gateway>()) {
    auto problem = near_parent(self, "spec.parentRef", parent_kind, only_kind<api::Gateway>());
    if (!problem) return std::nullopt;
    plan.problems.push_back(*std::move(problem));
    return plan;
  }
  const auto refuse = [&](std::string code, std::string reason, std::string field, std::string message,
                          std::string suggestion) {
    plan.problems.push_back({.code = std::move(code),
                             .severity = Severity::kError,
                             .where = {},
                             .object = self,
                             .path = "spec.parentRef" + field,
                             .message = message,
                             .suggestion = std::move(suggestion)});
    plan.conditions = {{"Accepted", false, reason, message},
                       {"Programmed", false, reason, "The ListenerSet is not accepted"}};
  };

  const ListenerDoor* door = reads.get(doors, plan.gateway);
  if (door == nullptr) {
    // Another controller's Gateway is none of our business; one that does not exist is a slip.
    if (reads.get(inputs.gateways, plan.gateway) != nullptr) return std::nullopt;
    refuse("reference/not-found", "ParentNotAccepted", ".name",
           fmt::format("there is no Gateway {}", plan.gateway.to_string()),
           near_object({api::kind_of<api::Gateway>(), plan.gateway}, {}, tables, reads));
    plan.conditions.clear();  // nobody's status to write: there is no class that says it is ours
    return plan;
  }
  if (!allows(door->namespaces, plan.gateway.namespace_, name.namespace_, tables, reads)) {
    refuse("reference/parent", "NotAllowed", "",
           fmt::format("Gateway {} lets in no ListenerSets of namespace {}", plan.gateway.to_string(),
                       name.namespace_),
           fmt::format("set its `spec.allowedListeners.namespaces`, as in `{{from: {}}}`",
                       plan.gateway.namespace_ == name.namespace_ ? "Same" : "All"));
    return plan;
  }
  plan.attached = true;
  for (std::size_t i = 0; i < set.spec.listeners.size(); ++i) {
    plan.listeners.push_back(read_listener(self, i, set.spec.listeners[i], tables, reads, plan.problems));
  }
  return plan;
}

void join_listener_sets(GatewayPlan& gateway, std::vector<const ListenerSetPlan*> sets) {
  std::ranges::sort(sets, {}, [](const ListenerSetPlan* s) {
    return std::tuple(s->creation_timestamp.empty(), s->creation_timestamp, s->set);
  });
  for (const ListenerSetPlan* set : sets) {
    gateway.listener_sets.push_back(set->set);
    gateway.listeners.insert(gateway.listeners.end(), set->listeners.begin(), set->listeners.end());
  }
}

std::vector<std::pair<NamespacedName, ServedListenerSet>> served_listener_sets(const GatewayPlan& gateway) {
  std::vector<std::pair<NamespacedName, ServedListenerSet>> sets;
  // Their listeners follow the Gateway's own, in the order of the sets.
  auto listener = std::ranges::find_if(gateway.listeners, [](const ListenerPlan& l) {
    return l.owner.kind == api::kind_of<api::ListenerSet>();
  });
  for (const NamespacedName& name : gateway.listener_sets) {
    ServedListenerSet set{.proxy = gateway.proxy, .gateway_accepted = gateway.accepted, .listeners = {}};
    for (; listener != gateway.listeners.end() && listener->owner.name == name; ++listener) {
      set.listeners.push_back(*listener);
    }
    sets.emplace_back(name, std::move(set));
  }
  return sets;
}

}  // namespace sluice::translate

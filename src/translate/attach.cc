#include "translate/attach.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "translate/hostname.h"
#include "translate/listener.h"
#include "translate/near.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

bool allows_kind(const AttachPoint& listener, const GroupKind& kind) {
  return std::ranges::any_of(listener.supported_kinds, [&kind](const api::RouteGroupKind& k) {
    return k.group == kind.group() && k.kind == kind.kind();
  });
}

// For a route that no listener takes because of its kind: those beside them that would, or what would.
std::string listeners_of_kind(const AttachPoints& points, const GroupKind& kind) {
  std::vector<std::string> names;
  for (const AttachPoint& listener : points.listeners) {
    if (allows_kind(listener, kind)) names.push_back(listener.name);
  }
  if (!names.empty()) return list_names("those that do are", names);
  std::string needed;
  for (const Protocol& protocol : protocols()) {
    if (std::ranges::find(protocol.route_kinds, kind.kind()) == protocol.route_kinds.end()) continue;
    needed += fmt::format("{}{}", needed.empty() ? "" : " or ", protocol.name);
  }
  return needed.empty() ? "" : fmt::format("it needs a listener of protocol {}", needed);
}

// Whom a listener lets in that does not let in the route.
std::string namespaces_of(const AttachPoint& listener, const std::string& own) {
  switch (listener.namespaces.from) {
    case api::FromNamespaces::kSame:
      return fmt::format("listener `{}` takes those of namespace {}: set its `allowedRoutes.namespaces`",
                         listener.name, own);
    case api::FromNamespaces::kSelector:
      return fmt::format("the labels of the Namespace are not those that listener `{}` selects",
                         listener.name);
    case api::FromNamespaces::kNone:
    case api::FromNamespaces::kAll:
      break;
  }
  return fmt::format("listener `{}` takes none: set its `allowedRoutes.namespaces`", listener.name);
}

// No listener is the one that the parentRef names by section or port.
template <typename Refuse>
void refuse_listener(const api::ParentReference& ref, const ObjectKey& target, const AttachPoints& points,
                     const Refuse& refuse) {
  std::vector<std::string> names;
  std::vector<std::string> ports;
  for (const AttachPoint& listener : points.listeners) {
    names.push_back(listener.name);
    const std::string port = fmt::to_string(listener.port);
    if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
  }
  if (ref.section_name && std::ranges::find(names, *ref.section_name) == names.end()) {
    refuse("NoMatchingParent", ".sectionName",
           fmt::format("{} has no listener `{}`", target.to_string(), *ref.section_name),
           near_name(*ref.section_name, "it has", names));
  } else if (ref.port) {
    refuse("NoMatchingParent", ".port",
           ref.section_name ? fmt::format("listener `{}` of {} is not at port {}", *ref.section_name,
                                          target.to_string(), *ref.port)
                            : fmt::format("{} has no listener at port {}", target.to_string(), *ref.port),
           list("its listeners are at", ports));
  } else {
    refuse("NoMatchingParent", "", fmt::format("{} has no listeners", target.to_string()), "");
  }
}

}  // namespace

Parents attach(const ObjectKey& route, const std::vector<api::ParentReference>& refs,
               const std::vector<std::string>& hostnames, const RouteEnvironment& environment,
               flow::Reads& reads) {
  Parents result;
  const Settings& settings = environment.settings;
  const Inputs& inputs = environment.inputs;
  const Projections& tables = environment.tables;
  const AttachTable& attach_points = environment.parents;
  const std::string& kind = route.kind.kind();
  const std::string& namespace_ = route.name.namespace_;
  // On a host it is there with what is in it; in a cluster it is an object, and its labels are known.
  const bool has_namespace =
      settings.on_host || reads.get(tables.namespace_labels, NamespacedName{"", namespace_}) != nullptr;
  if (refs.empty()) {
    result.problems.push_back({.code = "reference/parent",
                               .severity = Severity::kWarning,
                               .where = {},
                               .object = route,
                               .path = "spec.parentRefs",
                               .message = "the route has no parentRefs: it is attached to nothing",
                               .suggestion = "name a Gateway in `parentRefs`"});
  }
  result.parents.reserve(refs.size());
  for (std::size_t p = 0; p < refs.size(); ++p) {
    const api::ParentReference& ref = refs[p];
    const ObjectKey target{.kind = GroupKind(ref.group, ref.kind),
                           .name = {ref.namespace_.value_or(namespace_), ref.name}};
    const bool is_set = target.kind == api::kind_of<api::ListenerSet>();
    if (!is_set && target.kind != api::kind_of<api::Gateway>()) {
      auto problem =
          near_parent(route, fmt::format("spec.parentRefs[{}]", p), target.kind, {"Gateway", "ListenerSet"});
      if (problem) result.problems.push_back(*std::move(problem));
      continue;
    }
    const AttachPoints* points = reads.get(attach_points, target);
    if (points == nullptr) {
      // Another controller's Gateway is none of our business, and a ListenerSet that its Gateway does not let
      // in says so itself; one that does not exist is a slip.
      const bool exists = is_set ? reads.get(inputs.listener_sets, target.name) != nullptr
                                 : reads.get(inputs.gateways, target.name) != nullptr;
      if (!exists) {
        result.problems.push_back({.code = "reference/not-found",
                                   .severity = Severity::kError,
                                   .where = {},
                                   .object = route,
                                   .path = fmt::format("spec.parentRefs[{}].name", p),
                                   .message = fmt::format("there is no {}", target.to_string()),
                                   .suggestion = near_object(target, parent_kinds(), tables, reads)});
      }
      continue;
    }

    Parent& parent = result.parents.emplace_back();
    ParentStatus& status = parent.status;
    parent.points = points;
    status.parent_ref = ref;
    status.parent = target;
    status.gateway = points->gateway;
    const auto refuse = [&](std::string reason, std::string field, std::string message,
                            std::string suggestion = "") {
      result.problems.push_back({.code = "reference/parent",
                                 .severity = Severity::kError,
                                 .where = {},
                                 .object = route,
                                 .path = fmt::format("spec.parentRefs[{}]{}", p, field),
                                 .message = message,
                                 .suggestion = std::move(suggestion)});
      set_condition(status.conditions, {"Accepted", false, std::move(reason), std::move(message)});
    };

    bool any_selected = false;
    const AttachPoint* of_kind = nullptr;  // the first that takes routes of this kind
    bool any_allowed = false;
    std::set<std::string> their_hosts;
    for (const AttachPoint& listener : points->listeners) {
      if ((ref.section_name && *ref.section_name != listener.name) ||
          (ref.port && *ref.port != listener.port)) {
        continue;
      }
      any_selected = true;
      if (!has_namespace || !allows_kind(listener, route.kind)) continue;
      if (of_kind == nullptr) of_kind = &listener;
      if (!allows(listener.namespaces, target.name.namespace_, namespace_, tables, reads)) continue;
      any_allowed = true;
      if (!listener.hostname.empty()) their_hosts.insert(listener.hostname);
      std::vector<std::string> hosts = served_hosts(hostnames, listener.hostname, listener.sibling_hostnames);
      if (hosts.empty()) continue;
      status.attached_listeners.push_back(listener.name);
      if (listener.ready) parent.attachments.push_back({&listener, std::move(hosts)});
    }
    if (!any_selected) {
      refuse_listener(ref, target, *points, refuse);
    } else if (!has_namespace) {
      refuse("NotAllowedByListeners", "",
             fmt::format("there is no Namespace {}, and in a cluster no route is outside one", namespace_),
             "add the Namespace");
    } else if (of_kind == nullptr) {
      refuse("NotAllowedByListeners", "",
             fmt::format("no listener of {} that this parentRef selects takes {}s", target.to_string(), kind),
             listeners_of_kind(*points, route.kind));
    } else if (!any_allowed) {
      refuse("NotAllowedByListeners", "",
             fmt::format("no listener of {} that this parentRef selects takes {}s of namespace {}",
                         target.to_string(), kind, namespace_),
             namespaces_of(*of_kind, target.name.namespace_));
    } else if (!parent.accepted()) {
      refuse("NoMatchingListenerHostname", "",
             fmt::format("no hostname of the route is one of a listener of {}", target.to_string()),
             list_names("those of the listeners are", {their_hosts.begin(), their_hosts.end()}));
    } else {
      set_condition(status.conditions, {"Accepted", true, "Accepted", "The route is accepted"});
    }
  }
  return result;
}

}  // namespace sluice::translate

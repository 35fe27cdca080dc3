#include "translate/attach.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

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

// Which of several hostnames of a route are served anywhere. Of a single one the parents say so themselves.
class ServedHostnames {
 public:
  explicit ServedHostnames(const std::vector<std::string>& hostnames)
      : hostnames_(hostnames), served_(hostnames.size() > 1 ? hostnames.size() : 0) {}

  void take(const AttachPoint& listener) {
    for (std::size_t i = 0; i < served_.size(); ++i) {
      if (!served_[i]) {
        served_[i] = !served_hosts({hostnames_[i]}, listener.hostname, listener.sibling_hostnames).empty();
        if (!served_[i] && intersect(hostnames_[i], listener.hostname)) claimed_.insert(hostnames_[i]);
      }
    }
    if (!served_.empty() && !listener.hostname.empty()) theirs_.insert(listener.hostname);
  }

  void report(const ObjectKey& route, std::vector<Problem>& problems) const {
    if (std::ranges::find(served_, true) == served_.end()) return;
    for (std::size_t i = 0; i < served_.size(); ++i) {
      if (served_[i]) continue;
      problems.push_back(
          {.code = "reference/hostname",
           .severity = Severity::kWarning,
           .where = {},
           .object = route,
           .path = fmt::format("spec.hostnames[{}]", i),
           .message =
               fmt::format("no listener that the route is attached to takes hostname `{}`", hostnames_[i]),
           .suggestion = claimed_.contains(hostnames_[i])
                             ? "another listener of the port has it: attach the route to that one, too"
                             : list_names("those of the listeners are", {theirs_.begin(), theirs_.end()}),
           .also = {}});
    }
  }

 private:
  const std::vector<std::string>& hostnames_;
  std::vector<bool> served_;
  std::set<std::string> theirs_;
  std::set<std::string> claimed_;  // by listeners with narrower hostnames
};

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

// Most are Gateways, which are known without a look-up.
GroupKind kind_of(const api::ParentReference& ref) {
  const GroupKind& gateway = api::kind_of<api::Gateway>();
  return ref.kind == gateway.kind() && ref.group == gateway.group() ? gateway
                                                                    : GroupKind(ref.group, ref.kind);
}

// The default Gateways that the route asks for, as refs: but those that it names as a whole itself.
std::vector<api::ParentReference> default_parents(const ObjectKey& route, const WantedParents& wanted,
                                                  const RouteEnvironment& environment, flow::Reads& reads) {
  std::vector<api::ParentReference> refs;
  if (wanted.default_gateways != kDefaultScope) return refs;
  for (const auto& [gateway, _] : reads.group(environment.default_gateways, wanted.default_gateways)) {
    api::ParentReference ref;
    ref.namespace_ = gateway.namespace_;
    ref.name = gateway.name;
    const bool named = std::ranges::any_of(wanted.refs, [&](const api::ParentReference& other) {
      return other.group == ref.group && other.kind == ref.kind && other.name == ref.name &&
             other.namespace_.value_or(route.name.namespace_) == *ref.namespace_ && !other.section_name &&
             !other.port;
    });
    if (!named) refs.push_back(std::move(ref));
  }
  return refs;
}

// Where nothing that the route could attach to is named, or there.
std::optional<Problem> no_parent(const ObjectKey& route, const WantedParents& wanted, bool any_default) {
  if (!wanted.refs.empty() || any_default) return std::nullopt;
  const bool asks = wanted.default_gateways == kDefaultScope;
  return Problem{.code = "reference/parent",
                 .severity = Severity::kWarning,
                 .where = {},
                 .object = route,
                 .path = asks ? "spec.useDefaultGateways" : "spec.parentRefs",
                 .message = asks ? "there is no default Gateway: the route is attached to nothing"
                                 : "the route has no parentRefs: it is attached to nothing",
                 .suggestion = asks ? "set `defaultScope: All` on a Gateway, or name one in `parentRefs`"
                                    : "name a Gateway in `parentRefs`",
                 .also = {}};
}

}  // namespace

Parents attach(const ObjectKey& route, const WantedParents& wanted, const std::vector<std::string>& hostnames,
               const RouteEnvironment& environment, flow::Reads& reads) {
  Parents result;
  const Settings& settings = environment.settings;
  const Inputs& inputs = environment.inputs;
  const Projections& tables = environment.tables;
  const AttachTable& attach_points = environment.parents;
  const std::string& kind = route.kind.kind();
  const Interned& own_namespace = route.name.namespace_;
  const std::string& namespace_ = own_namespace;
  // On a host it is there with what is in it; in a cluster it is an object, and its labels are known.
  const bool has_namespace =
      settings.on_host || reads.get(tables.namespace_labels, NamespacedName{"", namespace_}) != nullptr;
  const std::vector<api::ParentReference>& named = wanted.refs;
  const std::vector<api::ParentReference> defaults = default_parents(route, wanted, environment, reads);
  if (auto problem = no_parent(route, wanted, !defaults.empty())) {
    result.problems.push_back(*std::move(problem));
  }
  result.parents.reserve(named.size() + defaults.size());
  ServedHostnames served(hostnames);
  bool all_known = true;  // no parent is another controller's, or missing
  // Of a default Gateway that does not take the route, while others may.
  std::vector<Problem> of_defaults;
  bool any_default = false;
  for (std::size_t p = 0; p < named.size() + defaults.size(); ++p) {
    const bool by_default = p >= named.size();
    const api::ParentReference& ref = by_default ? defaults[p - named.size()] : named[p];
    const ObjectKey target{.kind = kind_of(ref), .name = {ref.namespace_.value_or(own_namespace), ref.name}};
    const bool is_set = target.kind == api::kind_of<api::ListenerSet>();
    if (!is_set && target.kind != api::kind_of<api::Gateway>()) {
      auto problem = near_parent(route, fmt::format("spec.parentRefs[{}]", p), target.kind, parent_kinds());
      if (problem) result.problems.push_back(*std::move(problem));
      all_known = false;
      continue;
    }
    const AttachPoints* points = reads.get(attach_points, target);
    if (points == nullptr) {
      all_known = false;
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
    status.conditions.reserve(2);  // Accepted and ResolvedRefs
    status.parent_ref = ref;
    status.by_default = by_default;
    status.parent = target;
    status.gateway = points->gateway;
    const std::string parent_name = (by_default ? "the default " : "") + target.to_string();
    const char* const selects = by_default ? "" : " that this parentRef selects";
    const auto refuse = [&](std::string reason, std::string field, std::string message,
                            std::string suggestion = "") {
      (by_default ? of_defaults : result.problems)
          .push_back({.code = "reference/parent",
                      .severity = Severity::kError,
                      .where = {},
                      .object = route,
                      .path = by_default ? "spec.useDefaultGateways"
                                         : fmt::format("spec.parentRefs[{}]{}", p, field),
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
      served.take(listener);
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
             fmt::format("no listener of {}{} takes {}s", parent_name, selects, kind),
             listeners_of_kind(*points, route.kind));
    } else if (!any_allowed) {
      refuse("NotAllowedByListeners", "",
             fmt::format("no listener of {}{} takes {}s of namespace {}", parent_name, selects, kind,
                         namespace_),
             namespaces_of(*of_kind, target.name.namespace_));
    } else if (!parent.accepted()) {
      refuse("NoMatchingListenerHostname", "",
             fmt::format("no hostname of the route is one of a listener of {}", parent_name),
             list_names("those of the listeners are", {their_hosts.begin(), their_hosts.end()}));
    } else {
      any_default = any_default || by_default;
      set_condition(status.conditions,
                    {"Accepted", true, "Accepted",
                     by_default ? "The route is accepted: it asks for default Gateways, and this is one"
                                : "The route is accepted"});
    }
  }
  if (!any_default) std::ranges::move(of_defaults, std::back_inserter(result.problems));
  if (all_known) served.report(route, result.problems);
  return result;
}

}  // namespace sluice::translate

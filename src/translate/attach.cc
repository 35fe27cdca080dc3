#include "translate/attach.h"

#include <algorithm>

#include <fmt/format.h>

#include "translate/hostname.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

bool allows_kind(const AttachPoint& listener, const GroupKind& kind) {
  return std::ranges::any_of(listener.supported_kinds, [&kind](const api::RouteGroupKind& k) {
    return k.group == kind.group() && k.kind == kind.kind();
  });
}

bool allows_namespace(const AttachPoint& listener, const std::string& gateway_namespace,
                      const std::string& route_namespace, const Projections& tables, flow::Reads& reads) {
  switch (listener.namespaces.from) {
    case api::FromNamespaces::kAll:
      return true;
    case api::FromNamespaces::kNone:
      return false;
    case api::FromNamespaces::kSame:
      return gateway_namespace == route_namespace;
    case api::FromNamespaces::kSelector:
      return listener.namespaces.selector && check_selector(*listener.namespaces.selector) &&
             selects(*listener.namespaces.selector, labels_of_namespace(route_namespace, tables, reads));
  }
  return false;
}

}  // namespace

Parents attach(const ObjectKey& route, const std::vector<api::ParentReference>& refs,
               const std::vector<std::string>& hostnames, const Inputs& inputs, const Projections& tables,
               const AttachTable& attach_points, flow::Reads& reads) {
  Parents result;
  const std::string& kind = route.kind.kind();
  const std::string& namespace_ = route.name.namespace_;
  for (std::size_t p = 0; p < refs.size(); ++p) {
    const api::ParentReference& ref = refs[p];
    if (ref.group != kGatewayGroup || ref.kind != "Gateway") continue;
    const NamespacedName gateway{ref.namespace_.value_or(namespace_), ref.name};
    const AttachPoints* points = reads.get(attach_points, gateway);
    if (points == nullptr) {
      // Another controller's Gateway is none of our business; one that does not exist is a slip.
      if (reads.get(inputs.gateways, gateway) == nullptr) {
        result.problems.push_back({.code = "reference/not-found",
                                   .severity = Severity::kError,
                                   .where = {},
                                   .object = route,
                                   .path = fmt::format("spec.parentRefs[{}].name", p),
                                   .message = fmt::format("there is no Gateway {}", gateway.to_string()),
                                   .suggestion = ""});
      }
      continue;
    }

    Parent& parent = result.parents.emplace_back();
    ParentStatus& status = parent.status;
    parent.points = points;
    status.parent_ref = ref;
    status.gateway = gateway;
    const auto refuse = [&](std::string reason, std::string field, std::string message) {
      result.problems.push_back({.code = "reference/parent",
                                 .severity = Severity::kError,
                                 .where = {},
                                 .object = route,
                                 .path = fmt::format("spec.parentRefs[{}]{}", p, field),
                                 .message = message,
                                 .suggestion = ""});
      set_condition(status.conditions, {"Accepted", false, std::move(reason), std::move(message)});
    };

    bool any_selected = false;
    bool any_allowed = false;
    for (const AttachPoint& listener : points->listeners) {
      if ((ref.section_name && *ref.section_name != listener.name) ||
          (ref.port && *ref.port != listener.port)) {
        continue;
      }
      any_selected = true;
      if (!allows_kind(listener, route.kind) ||
          !allows_namespace(listener, gateway.namespace_, namespace_, tables, reads)) {
        continue;
      }
      any_allowed = true;
      std::vector<std::string> hosts = served_hosts(hostnames, listener.hostname, listener.sibling_hostnames);
      if (hosts.empty()) continue;
      status.attached_listeners.push_back(listener.name);
      if (listener.ready) parent.attachments.push_back({&listener, std::move(hosts)});
    }
    if (!any_selected) {
      refuse("NoMatchingParent",
             ref.section_name ? ".sectionName"
             : ref.port       ? ".port"
                              : "",
             fmt::format("Gateway {} has no such listener", gateway.to_string()));
    } else if (!any_allowed) {
      refuse("NotAllowedByListeners", "",
             fmt::format("no listener of Gateway {} that this parentRef selects allows {}s from namespace {}",
                         gateway.to_string(), kind, namespace_));
    } else if (!parent.accepted()) {
      refuse("NoMatchingListenerHostname", "",
             fmt::format("no hostname of the route is one of a listener of Gateway {}", gateway.to_string()));
    } else {
      set_condition(status.conditions, {"Accepted", true, "Accepted", "The route is accepted"});
    }
  }
  return result;
}

}  // namespace sluice::translate

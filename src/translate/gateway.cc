#include "translate/gateway.h"

#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/closest.h"
#include "translate/addresses.h"
#include "translate/attach.h"
#include "translate/client_validation.h"
#include "translate/envoy_proxy.h"
#include "translate/filter_order.h"
#include "translate/listener.h"
#include "translate/near.h"
#include "translate/reference.h"
#include "translate/upstream_tls.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kEnvoyProxyGroup = "gateway.envoyproxy.io";

// A class of another controller is none of our business, but where nothing is: then it was meant to be ours.
std::vector<Problem> check_controller(const NamespacedName& name, const std::string& controller,
                                      const Settings& settings, const Projections& tables,
                                      flow::Reads& reads) {
  const bool any_ours =
      !settings.implied_class.empty() || !reads.group(tables.classes_of, settings.controller_name).empty();
  if (any_ours) return {};
  const bool is_near = !closest(controller, {settings.controller_name}).empty();
  return {{.code = "value/controller",
           .severity = Severity::kWarning,
           .where = {},
           .object = {.kind = api::kind_of<api::GatewayClass>(), .name = name},
           .path = "spec.controllerName",
           .message = "the GatewayClass is another controller's, and none is sluice's: no Gateway is served",
           .suggestion = is_near ? did_you_mean(settings.controller_name)
                                 : fmt::format("write `{}`", settings.controller_name)}};
}

// What of the Gateway's EnvoyProxy, or else the options, has rules share clusters.
std::optional<api::MergeBackends> merge_backends_of(const GatewayPlan& plan, const Settings& settings) {
  if (plan.envoy_proxy != nullptr && plan.envoy_proxy->spec.merge_backends) {
    return plan.envoy_proxy->spec.merge_backends;
  }
  return settings.merge_backends ? std::optional(api::MergeBackends()) : std::nullopt;
}

}  // namespace

ClassRow translate_class(const NamespacedName& name, const api::GatewayClass& gateway_class,
                         const Settings& settings, const Inputs& inputs, const Projections& tables,
                         flow::Reads& reads) {
  ClassRow row;
  row.ours = gateway_class.spec.controller_name == settings.controller_name;
  if (!row.ours) {
    row.problems = check_controller(name, gateway_class.spec.controller_name, settings, tables, reads);
    return row;
  }
  row.conditions = {{"Accepted", true, "Accepted", "Valid GatewayClass"}};
  if (!gateway_class.spec.parameters_ref) return row;

  const auto refuse = [&](std::string code, std::string path, const std::string& message,
                          std::string suggestion) {
    row.conditions = {{"Accepted", false, "InvalidParameters", message}};
    row.problems.push_back({.code = std::move(code),
                            .severity = Severity::kError,
                            .where = {},
                            .object = {.kind = api::kind_of<api::GatewayClass>(), .name = name},
                            .path = std::move(path),
                            .message = message,
                            .suggestion = std::move(suggestion)});
  };
  const api::ParametersReference& ref = *gateway_class.spec.parameters_ref;
  if (ref.group != kEnvoyProxyGroup || ref.kind != "EnvoyProxy" || !ref.namespace_) {
    // As it ever was, for the condition; the problem says which of the fields it is.
    refuse("reference/kind", "spec.parametersRef",
           "parametersRef must name an EnvoyProxy of group gateway.envoyproxy.io with its namespace", "");
    Problem& refused = row.problems.back();
    const GroupKind written(ref.group, ref.kind);
    if (written == api::kind_of<api::EnvoyProxy>()) {
      refused.suggestion = "add `namespace`, that of the EnvoyProxy";
    } else {
      KindSlip slip = near_kind(written, only_kind<api::EnvoyProxy>(), "");
      refused.path += fmt::format(".{}", slip.field);
      refused.suggestion = std::move(slip.suggestion);
    }
    return row;
  }
  // The Gateways of the class are served all the same, and follow the EnvoyProxy when it comes.
  row.envoy_proxy = NamespacedName{*ref.namespace_, ref.name};
  const api::EnvoyProxy* envoy_proxy = reads.get(inputs.envoy_proxies, *row.envoy_proxy);
  if (envoy_proxy == nullptr) {
    const ObjectKey missing{.kind = api::kind_of<api::EnvoyProxy>(), .name = *row.envoy_proxy};
    refuse("reference/not-found", "spec.parametersRef.name",
           fmt::format("there is no EnvoyProxy {}; its Gateways have the default settings",
                       row.envoy_proxy->to_string()),
           near_object(missing, {}, tables, reads));
  } else if (std::string wrong = wrong_filter_order(*envoy_proxy); !wrong.empty()) {
    // A problem it is where it stands.
    row.conditions = {{"Accepted", false, "InvalidParameters", std::move(wrong)}};
  }
  return row;
}

std::optional<ClasslessGateway> find_classless(const NamespacedName& name, const api::Gateway& gateway,
                                               const Settings& settings, const Inputs& inputs,
                                               const Projections& tables, flow::Reads& reads) {
  const NamespacedName class_name{"", gateway.spec.gateway_class_name};
  if (class_name.name == settings.implied_class || reads.get(inputs.gateway_classes, class_name) != nullptr) {
    return std::nullopt;
  }
  const ObjectKey missing{.kind = api::kind_of<api::GatewayClass>(), .name = class_name};
  std::string suggestion = near_object(missing, {}, tables, reads);
  if (suggestion.empty()) {
    suggestion = fmt::format("add a GatewayClass `{}` with `controllerName: {}`", class_name.name,
                             settings.controller_name);
  }
  return ClasslessGateway{
      {{.code = "reference/not-found",
        .severity = Severity::kWarning,
        .where = {},
        .object = {.kind = api::kind_of<api::Gateway>(), .name = name},
        .path = "spec.gatewayClassName",
        .message = fmt::format("there is no GatewayClass {}: nobody serves this Gateway", class_name.name),
        .suggestion = std::move(suggestion)}}};
}

bool is_ours(const api::Gateway& gateway, const Settings& settings, const Projections& tables,
             flow::Reads& reads) {
  const ClassRow* row = reads.get(tables.classes, NamespacedName{"", gateway.spec.gateway_class_name});
  return gateway.spec.gateway_class_name == settings.implied_class || (row != nullptr && row->ours);
}

bool is_default(const api::Gateway& gateway) { return gateway.spec.default_scope == kDefaultScope; }

std::optional<GatewayPlan> plan_gateway(const NamespacedName& name, const api::Gateway& gateway,
                                        const Settings& settings, const Inputs& inputs,
                                        const Projections& tables, flow::Reads& reads) {
  const std::string& class_name = gateway.spec.gateway_class_name;
  const ClassRow* gateway_class = reads.get(tables.classes, NamespacedName{"", class_name});
  if (!is_ours(gateway, settings, tables, reads)) return std::nullopt;

  GatewayPlan plan;
  plan.gateway = name;
  plan.creation_timestamp = gateway.metadata.creation_timestamp;

  const ObjectKey self{.kind = api::kind_of<api::Gateway>(), .name = name};
  const auto problem = [&](std::string code, std::string path, std::string message, std::string suggestion) {
    plan.problems.push_back({.code = std::move(code),
                             .severity = Severity::kError,
                             .where = {},
                             .object = self,
                             .path = std::move(path),
                             .message = std::move(message),
                             .suggestion = std::move(suggestion)});
  };

  if (gateway.spec.allowed_listeners) {
    // It is the ListenerSets that are not let in, and the Gateway is served.
    if (auto fault = check_namespaces(gateway.spec.allowed_listeners->namespaces)) {
      problem(fault->selects_nothing ? "value/selector" : "support/no-effect",
              fmt::format("spec.allowedListeners.namespaces.{}", fault->field), std::move(fault->message),
              std::move(fault->suggestion));
      plan.problems.back().severity = Severity::kWarning;
    }
  }

  // The Gateway's own EnvoyProxy, else its class's.
  if (gateway.spec.infrastructure && gateway.spec.infrastructure->parameters_ref) {
    const api::LocalParametersReference& ref = *gateway.spec.infrastructure->parameters_ref;
    if (ref.group == kEnvoyProxyGroup && ref.kind == "EnvoyProxy") {
      plan.envoy_proxy = reads.get_shared(inputs.envoy_proxies, NamespacedName{name.namespace_, ref.name});
    }
    if (plan.envoy_proxy != nullptr) {
      plan.own_envoy_proxy = NamespacedName{name.namespace_, ref.name};
    } else {
      const ObjectKey missing{.kind = GroupKind(ref.group, ref.kind), .name = {name.namespace_, ref.name}};
      const std::string path = "spec.infrastructure.parametersRef.";
      if (missing.kind == api::kind_of<api::EnvoyProxy>()) {
        problem("reference/not-found", path + "name",
                fmt::format("there is no {}; the settings of the class count", missing.to_string()),
                near_object(missing, {}, tables, reads));
      } else {
        KindSlip slip = near_kind(missing.kind, only_kind<api::EnvoyProxy>(),
                                  "use an EnvoyProxy of group gateway.envoyproxy.io");
        problem("reference/kind", path + slip.field,
                fmt::format("a `{}` has no settings for a Gateway; those of the class count",
                            words_of(missing.kind)),
                std::move(slip.suggestion));
      }
      // It is served all the same: what serves it is not to go because settings do.
      plan.conditions.push_back({"Accepted", false, "InvalidParameters", plan.problems.back().message});
    }
  }
  const std::optional<NamespacedName> of_class = gateway_class != nullptr && gateway_class->envoy_proxy
                                                     ? gateway_class->envoy_proxy
                                                     : settings.class_envoy_proxy;
  std::shared_ptr<const api::EnvoyProxy> class_proxy;
  if (of_class) class_proxy = reads.get_shared(inputs.envoy_proxies, *of_class);
  plan.envoy_proxy =
      plan.envoy_proxy == nullptr ? class_proxy : merge_envoy_proxies(class_proxy, plan.envoy_proxy);
  if (plan.envoy_proxy != nullptr) {
    // It is served all the same: an order there is.
    if (std::string wrong = wrong_filter_order(*plan.envoy_proxy); !wrong.empty()) {
      set_condition(plan.conditions, {"Accepted", false, "InvalidParameters", std::move(wrong)});
    }
  }

  const bool merged = settings.merge_gateways || (class_proxy != nullptr && class_proxy->spec.merge_gateways);
  plan.proxy = merged ? class_name : name.to_string();
  if (merged && merge_backends_of(plan, settings)) {
    const std::string message = "`mergeGateways` and `mergeBackends` cannot both be enabled";
    problem("conflict/merge", "spec.gatewayClassName", message,
            "remove one of them from the EnvoyProxies and options that the Gateway has");
    const auto show = [&plan](const NamespacedName& envoy_proxy, std::string path, std::string text) {
      plan.problems.back().also.push_back(
          {.where = {},
           .object = {.kind = api::kind_of<api::EnvoyProxy>(), .name = envoy_proxy},
           .path = std::move(path),
           .message = std::move(text)});
    };
    if (class_proxy != nullptr && class_proxy->spec.merge_gateways) {
      show(*of_class, "spec.mergeGateways", "Gateways are merged here");
    }
    if (plan.envoy_proxy != nullptr && plan.envoy_proxy->spec.merge_backends) {
      show(plan.own_envoy_proxy ? *plan.own_envoy_proxy : *of_class, "spec.mergeBackends",
           "backends are merged here");
    }
    set_condition(plan.conditions, {"Accepted", false, "InvalidParameters", message});
    plan.accepted = false;
  }

  plan_backend_tls(gateway, tables, reads, plan);
  if (gateway.spec.infrastructure) {
    plan.labels = gateway.spec.infrastructure->labels;
    plan.annotations = gateway.spec.infrastructure->annotations;
  }
  const bool asks = settings.on_host && !gateway.spec.addresses.empty();
  plan_addresses(gateway, settings, asks ? reads.get(tables.host, kHost) : nullptr, plan);
  plan_client_checks(gateway, inputs, tables, reads, plan);
  plan.takes_defaults = is_default(gateway);
  for (std::size_t i = 0; i < gateway.spec.listeners.size(); ++i) {
    plan.listeners.push_back(read_listener(self, i, gateway.spec.listeners[i], tables, reads, plan.problems));
  }
  return plan;
}

ExtensionTerms extension_terms(const GatewayPlan& plan, const Settings& settings) {
  ExtensionTerms terms;
  terms.access.routing =
      settings.endpoint_routing_disabled ? api::RoutingType::kService : api::RoutingType::kEndpoint;
  terms.access.tls = plan.backend_tls;
  if (plan.envoy_proxy == nullptr) return terms;
  const api::EnvoyProxySpec& spec = plan.envoy_proxy->spec;
  terms.access.routing = spec.routing_type.value_or(terms.access.routing);
  if (spec.lua) {
    terms.lua = *spec.lua;
  } else if (spec.lua_validation) {
    terms.lua.validation_type = *spec.lua_validation;
  }
  terms.modules = spec.dynamic_modules;
  const auto is_fetched = [](const api::DynamicModuleEntry& entry) {
    return entry.source.remote.has_value();
  };
  if (std::ranges::any_of(terms.modules, is_fetched)) {
    const api::ObjectMeta& metadata = plan.envoy_proxy->metadata;
    terms.envoy_proxy = NamespacedName{metadata.namespace_, metadata.name};
  }
  return terms;
}

std::vector<std::pair<ObjectKey, AttachPoints>> attach_points(const GatewayPlan& plan,
                                                              const Settings& settings) {
  AttachPoints offered;
  offered.proxy = plan.proxy;
  offered.gateway = plan.gateway;
  offered.terms = extension_terms(plan, settings);
  const auto merge_backends = merge_backends_of(plan, settings);
  offered.merges_backends = merge_backends && !merge_backends->selector;
  offered.preserve_route_order =
      plan.envoy_proxy != nullptr && plan.envoy_proxy->spec.preserve_route_order.value_or(false);
  if (plan.envoy_proxy != nullptr) {
    offered.cluster_stat_name = plan.envoy_proxy->spec.telemetry.metrics.cluster_stat_name;
  }
  // A Gateway or ListenerSet without listeners is a parent all the same.
  std::map<ObjectKey, AttachPoints> by_owner;
  by_owner.emplace(ObjectKey{.kind = api::kind_of<api::Gateway>(), .name = plan.gateway}, offered);
  for (const NamespacedName& set : plan.listener_sets) {
    by_owner.emplace(ObjectKey{.kind = api::kind_of<api::ListenerSet>(), .name = set}, offered);
  }
  for (const ListenerPlan& listener : plan.listeners) {
    by_owner.at(listener.owner)
        .listeners.push_back({.name = listener.name,
                              .port = listener.port,
                              .hostname = listener.hostname,
                              .supported_kinds = listener.supported_kinds,
                              .namespaces = listener.namespaces,
                              .ready = listener.ready && !listener.socket.empty(),
                              .ends_tls = listener.ends_tls,
                              .passes_tls = listener.protocol == "TLS" && !listener.ends_tls,
                              .socket = listener.socket,
                              .route_table = listener.route_table,
                              .stream = listener.stream,
                              .sibling_hostnames = listener.sibling_hostnames});
  }
  return {std::make_move_iterator(by_owner.begin()), std::make_move_iterator(by_owner.end())};
}

}  // namespace sluice::translate

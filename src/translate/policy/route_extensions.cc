#include "translate/policy/route_extensions.h"

#include <algorithm>
#include <utility>

#include "translate/policy/extension_policy.h"

namespace sluice::translate {
namespace {

using Policy = InForce<ExtensionPolicyRow>;

// Code that sees a request can answer it. A service in the shadow is not heard, and one may be told nothing.
bool can_answer(const PolicyExtension& extension) {
  if (extension.filter == nullptr) return true;
  const auto* asked = std::get_if<ir::ExtProc>(&extension.filter->filter);
  return asked == nullptr || (!asked->shadow && (asked->request.headers || asked->response.headers));
}

// A policy under the terms of a listener, or none.
struct Layer {
  const NamespacedName* policy = nullptr;
  const ExtensionSet* set = nullptr;
};

// Two policies of one rule: list by list the own one's, where it has any.
RuleExtensions resolve(const Layer& own, const Layer& of_parent, std::size_t rule) {
  RuleExtensions result;
  bool broken = false;
  bool late = false;
  for (std::size_t kind = 0; kind < kExtensionKinds; ++kind) {
    const bool inherits = own.set == nullptr || (of_parent.set != nullptr && own.set->by_kind[kind].empty());
    const Layer& layer = inherits ? of_parent : own;
    if (layer.set == nullptr) continue;
    const std::vector<PolicyExtension>& list = layer.set->by_kind[kind];
    for (std::size_t i = 0; i < list.size(); ++i) {
      const PolicyExtension& extension = list[i];
      result.may_answer = result.may_answer || can_answer(extension);
      if (extension.filter != nullptr) {
        result.used.push_back(&extension);
        continue;
      }
      if (!extension.fail_open) (extension.pending ? late : broken) = true;
      result.missing.push_back({.rule = static_cast<std::uint32_t>(rule),
                                .policy = *layer.policy,
                                .place = place_of(static_cast<ExtensionKind>(kind), i),
                                .fail_open = extension.fail_open,
                                .pending = extension.pending});
    }
  }
  if (broken || late) {
    result.used.clear();
    result.refuse = broken ? 500 : 503;
  }
  return result;
}

std::shared_ptr<const ir::RouteAction> changed(const ir::RouteAction& action,
                                               const RuleExtensions& extensions) {
  auto changed = std::make_shared<ir::RouteAction>(action);
  if (extensions.refuse != 0) {
    changed->action = ir::DirectResponse{.status = extensions.refuse, .body = {}, .content_type = {}};
  }
  if (extensions.used.empty()) return changed;
  std::vector<ir::ExtensionUse> uses =
      action.extensions ? *action.extensions : std::vector<ir::ExtensionUse>();
  uses.reserve(uses.size() + extensions.used.size());
  for (const PolicyExtension* extension : extensions.used) {
    const auto* lua = std::get_if<ir::Lua>(&extension->filter->filter);
    uses.push_back({.name = extension->filter->name, .lua_context = lua == nullptr ? "" : lua->context});
  }
  std::ranges::sort(uses);
  changed->extensions = std::move(uses);
  return changed;
}

}  // namespace

RouteExtensions::RouteExtensions(const ObjectKey& route, const std::vector<RouteRule>& rules,
                                 const PolicyIndex<ExtensionPolicyRow>& policies, flow::Reads& reads)
    : route_(route), rules_(rules), policies_(policies), reads_(reads) {
  const auto of_route = reads.group(policies, route);
  if (of_route.empty()) return;
  own_.reserve(rules_.size());
  for (const RouteRule& rule : rules_) {
    own_.push_back(policy_of<ExtensionPolicyRow>(of_route, route, rule.name));
  }
}

std::vector<RuleExtensions> RouteExtensions::at(const ObjectKey& parent, const AttachPoints& points,
                                                const std::string& listener) {
  const auto layer_of = [&](const Policy& policy) {
    return policy ? Layer{policy.name, policy.row->under(points.terms)} : Layer();
  };
  const Policy of_listener =
      policy_of_listener<ExtensionPolicyRow>(policies_, parent, points.gateway, listener, reads_);
  if (own_.empty() && !of_listener) return {};
  const Layer inherited = layer_of(of_listener);
  std::vector<RuleExtensions> by_rule;
  by_rule.reserve(rules_.size());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Policy own = own_.empty() ? Policy() : own_[i];
    RuleExtensions& of_rule =
        by_rule.emplace_back(resolve(layer_of(own), !own || own.row->merges ? inherited : Layer(), i));
    // As in Envoy Gateway, what such a rule lacks it has of its parents: they see the answer that it gives.
    if (own && of_rule.refuse != 0 && !own.row->merges) of_rule.used = resolve({}, inherited, i).used;
  }
  return by_rule;
}

std::vector<OwnPolicy> RouteExtensions::own() const {
  std::vector<OwnPolicy> policies;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (!own_[i]) continue;
    const std::string& rule = rules_[i].name;
    const bool of_rule = !rule.empty() && is_among({.object = route_, .section = rule}, own_[i].row->targets);
    OwnPolicy policy{
        .policy = *own_[i].name, .rule = of_rule ? rule : std::string(), .merges = own_[i].row->merges};
    if (std::ranges::find(policies, policy) == policies.end()) policies.push_back(std::move(policy));
  }
  return policies;
}

std::shared_ptr<const std::vector<ir::Route>> with_extensions(const std::vector<ir::Route>& routes,
                                                              const std::vector<std::uint32_t>& rules,
                                                              const std::vector<RuleExtensions>& extensions) {
  auto result = std::make_shared<std::vector<ir::Route>>(routes);
  // Routes of one rule share their action, before and after.
  const ir::RouteAction* before = nullptr;
  std::uint32_t rule_before = 0;
  std::shared_ptr<const ir::RouteAction> after;
  for (std::size_t i = 0; i < result->size(); ++i) {
    const RuleExtensions& its = extensions[rules[i]];
    if (its.used.empty() && its.refuse == 0) continue;
    ir::Route& route = (*result)[i];
    if (route.action.get() != before || rules[i] != rule_before) {
      before = route.action.get();
      rule_before = rules[i];
      after = changed(*route.action, its);
    }
    route.action = after;
  }
  return result;
}

}  // namespace sluice::translate

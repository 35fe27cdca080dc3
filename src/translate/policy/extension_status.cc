#include "translate/policy/extension_status.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/near.h"
#include "translate/policy/ancestors.h"
#include "translate/policy/extension_policy.h"
#include "translate/policy/precedence.h"

namespace sluice::translate {
namespace {

ObjectKey key_of(const NamespacedName& name) {
  return {.kind = api::kind_of<api::EnvoyExtensionPolicy>(), .name = name};
}

bool is_listeners(const GroupKind& kind) {
  return kind == api::kind_of<api::Gateway>() || kind == api::kind_of<api::ListenerSet>();
}

template <typename Rule>
std::vector<std::string> names_of(const std::vector<Rule>& rules) {
  std::vector<std::string> names;
  for (const Rule& rule : rules) {
    if (rule.name && !rule.name->empty()) names.push_back(*rule.name);
  }
  return names;
}

// The names of the rules of a route; nothing where there is no such route, or rules of its kind have none.
std::optional<std::vector<std::string>> rules_of(const ObjectKey& route, const Inputs& inputs,
                                                 flow::Reads& reads) {
  if (route.kind == api::kind_of<api::HTTPRoute>()) {
    const api::HTTPRoute* found = reads.get(inputs.http_routes, route.name);
    if (found != nullptr) return names_of(found->spec.rules);
  } else if (route.kind == api::kind_of<api::GRPCRoute>()) {
    const api::GRPCRoute* found = reads.get(inputs.grpc_routes, route.name);
    if (found != nullptr) return names_of(found->spec.rules);
  }
  return std::nullopt;
}

// The names of the sections of a target; nothing where nothing is known of them.
std::optional<std::vector<std::string>> sections_of(const ObjectKey& target,
                                                    const PolicyStatusEnvironment& environment,
                                                    flow::Reads& reads) {
  if (!is_listeners(target.kind)) return rules_of(target, environment.inputs, reads);
  const AttachPoints* points = reads.get(environment.parents, target);
  if (points == nullptr) return std::nullopt;
  std::vector<std::string> names;
  for (const AttachPoint& listener : points->listeners) names.push_back(listener.name);
  return names;
}

// The nearest name beside that of a target which does not exist.
std::string near_target(const ObjectKey& missing, const LabelIndex& labels, flow::Reads& reads) {
  std::vector<std::string_view> names;
  for (const auto& [object, _] : reads.group(labels, TargetGroup{missing.kind, missing.name.namespace_})) {
    names.emplace_back(object.name.name);
  }
  return near_among(missing.name.name, std::move(names));
}

api::ParentReference ancestor_of(const PolicyTarget& target) {
  api::ParentReference ancestor;
  ancestor.group = target.object.kind.group();
  ancestor.kind = target.object.kind.kind();
  ancestor.namespace_ = target.object.name.namespace_;
  ancestor.name = target.object.name.name;
  if (!target.section.empty()) ancestor.section_name = target.section;
  return ancestor;
}

api::ParentReference ancestor_of(const ParentStatus& parent) {
  api::ParentReference ancestor = parent.parent_ref;
  ancestor.namespace_ = parent.parent.name.namespace_;
  ancestor.port.reset();
  return ancestor;
}

// Who has something to say in the place of a policy, or beside it.
struct Others {
  std::set<std::string> listeners;
  std::set<std::string> sets;
  std::set<std::string> set_listeners;
  std::set<std::string> routes;
  std::set<std::string> rules;

  bool empty() const {
    return listeners.empty() && sets.empty() && set_listeners.empty() && routes.empty() && rules.empty();
  }
  std::string to_string() const {
    std::vector<std::string> parts;
    const auto add = [&parts](std::string_view what, const std::set<std::string>& names) {
      if (!names.empty()) parts.push_back(fmt::format("these {}: {}", what, fmt::join(names, ", ")));
    };
    add("listeners", listeners);
    add("ListenerSets", sets);
    add("listeners of ListenerSets", set_listeners);
    add("routes", routes);
    add("rules", rules);
    return fmt::format("{}", fmt::join(parts, "; "));
  }
};

class StatusWriter {
 public:
  StatusWriter(const NamespacedName& name, const ExtensionPolicyRow& row,
               const PolicyStatusEnvironment& environment, flow::Reads& reads)
      : name_(name), row_(row), environment_(environment), reads_(reads) {}

  void add(std::size_t target);
  Ancestors take() { return limit_ancestors(std::move(ancestors_)); }

 private:
  void add_route(const PolicyTarget& target, const RouteResult& route);
  void add_listeners(const PolicyTarget& target, const AttachPoints& points);
  // What keeps the policy from its target altogether.
  std::optional<Condition> refusal(const PolicyTarget& target);
  // What is the case at an ancestor that it is not kept from.
  void describe(const AttachPoints& points, Conditions& conditions);
  // What the proxy of an ancestor said of the clusters of the extensions that it did not take.
  std::vector<std::string> refused_clusters(const ir::ProxyKey& proxy, const ExtensionSet& set);
  void tell(const char* type, const Others& others, Conditions& conditions);
  void add_policies_of(const ObjectKey& object, const std::string& except, std::set<std::string>& whole,
                       std::set<std::string>& sections);

  const NamespacedName& name_;
  const ExtensionPolicyRow& row_;
  const PolicyStatusEnvironment& environment_;
  flow::Reads& reads_;
  Ancestors ancestors_;
};

std::optional<Condition> StatusWriter::refusal(const PolicyTarget& target) {
  if (!target.section.empty()) {
    const auto sections = sections_of(target.object, environment_, reads_);
    if (!sections || std::ranges::find(*sections, target.section) == sections->end()) {
      return Condition{"Accepted", false, "TargetNotFound",
                       fmt::format("{} has no section `{}`", target.object.to_string(), target.section)};
    }
  }
  const auto [first, first_row] =
      policy_before(reads_.group(environment_.policies, target.object), target, name_);
  if (first == nullptr) return std::nullopt;
  return conflicted(key_of(*first));
}

std::vector<std::string> StatusWriter::refused_clusters(const ir::ProxyKey& proxy, const ExtensionSet& set) {
  std::vector<std::string> refused;
  for (std::size_t kind = 0; kind < kExtensionKinds; ++kind) {
    for (std::size_t i = 0; i < set.by_kind[kind].size(); ++i) {
      const PolicyExtension& extension = set.by_kind[kind][i];
      if (extension.cluster == nullptr) continue;
      const std::string* words =
          reads_.get(environment_.refused_clusters, XdsKey{proxy, extension.cluster->cluster.name});
      if (words == nullptr) continue;
      refused.push_back(fmt::format("{}: the proxy rejected the way to its service: {}",
                                    place_of(static_cast<ExtensionKind>(kind), i), *words));
    }
  }
  return refused;
}

void StatusWriter::describe(const AttachPoints& points, Conditions& conditions) {
  const ExtensionSet* set = row_.under(points.terms);
  const auto refused = set == nullptr ? std::vector<std::string>() : refused_clusters(points.proxy, *set);
  if (row_.refusal) {
    set_condition(conditions, *row_.refusal);
  } else if (set != nullptr && !set->errors.empty()) {
    std::vector<std::string> wrong = set->errors;
    wrong.insert(wrong.end(), refused.begin(), refused.end());
    set_condition(conditions, {"Accepted", false, "Invalid", fmt::format("{}", fmt::join(wrong, "\n"))});
  } else if (!refused.empty()) {
    set_condition(conditions,
                  {"Accepted", false, "RejectedByProxy", fmt::format("{}", fmt::join(refused, "\n"))});
  } else if (set != nullptr && set->pending) {
    set_condition(conditions, {"Accepted", false, "Pending", "Modules of the policy are being fetched"});
  } else if (find_condition(conditions, "Accepted") == nullptr) {
    set_condition(conditions, {"Accepted", true, "Accepted", "The policy is accepted"});
  }
  if (std::ranges::find(row_.paths, "spec.targetRef") != row_.paths.end()) {
    set_condition(conditions,
                  {"Warning", true, "DeprecatedField", "spec.targetRef is deprecated: use spec.targetRefs"});
  }
}

void StatusWriter::tell(const char* type, const Others& others, Conditions& conditions) {
  if (others.empty()) return;
  set_condition(conditions, {type, true, type,
                             fmt::format("Other policies {} this one for {}",
                                         std::string_view(type) == "Merged" ? "are merged into" : "override",
                                         others.to_string())});
}

void StatusWriter::add_route(const PolicyTarget& target, const RouteResult& route) {
  const std::optional<Condition> refused = refusal(target);
  for (const ParentStatus& parent : route.parents) {
    const AttachPoints* points = reads_.get(environment_.parents, parent.parent);
    Conditions& conditions = conditions_of(ancestors_, ancestor_of(parent));
    if (refused) {
      set_condition(conditions, *refused);
      continue;
    }
    if (points != nullptr) describe(*points, conditions);
    if (target.section.empty()) {
      Others others;
      for (const OwnPolicy& other : route.extension_policies) {
        if (!other.rule.empty() && other.policy != name_) others.rules.insert(other.rule);
      }
      tell("Overridden", others, conditions);
    }
    if (!row_.merges) continue;
    for (const std::string& listener : parent.attached_listeners) {
      const auto base = policy_of_listener<ExtensionPolicyRow>(environment_.policies, parent.parent,
                                                               parent.gateway, listener, reads_);
      if (!base) continue;
      set_condition(conditions, {"Merged", true, "Merged",
                                 fmt::format("Merged with {}", key_of(*base.name).to_string())});
      break;
    }
  }
}

// Policies of an object and of its sections that are not this one.
void StatusWriter::add_policies_of(const ObjectKey& object, const std::string& except,
                                   std::set<std::string>& whole, std::set<std::string>& sections) {
  for (const auto& [policy, row] : reads_.group(environment_.policies, object)) {
    if (policy == name_) continue;
    for (const PolicyTarget& target : row.targets) {
      if (target.object != object) continue;
      if (target.section.empty()) {
        whole.insert(object.name.to_string());
      } else if (target.section != except) {
        const auto known = sections_of(object, environment_, reads_);
        if (!known || std::ranges::find(*known, target.section) == known->end()) continue;
        sections.insert(object.name.to_string() + "/" + target.section);
      }
    }
  }
}

void StatusWriter::add_listeners(const PolicyTarget& target, const AttachPoints& points) {
  Conditions& conditions = conditions_of(ancestors_, ancestor_of(target));
  if (const auto refused = refusal(target)) {
    set_condition(conditions, *refused);
    return;
  }
  describe(points, conditions);
  const bool is_gateway = target.object.kind == api::kind_of<api::Gateway>();
  Others overriding;
  if (target.section.empty()) {
    std::set<std::string> itself;
    add_policies_of(target.object, {}, itself, is_gateway ? overriding.listeners : overriding.set_listeners);
  }
  if (target.section.empty() && is_gateway) {
    const GatewayPlan* gateway = reads_.get(environment_.gateways, target.object.name);
    if (gateway != nullptr) {
      for (const NamespacedName& set : gateway->listener_sets) {
        add_policies_of({.kind = api::kind_of<api::ListenerSet>(), .name = set}, {}, overriding.sets,
                        overriding.set_listeners);
      }
    }
  }
  Others merging;
  for (const auto& [key, route] : reads_.group(environment_.routes_with_policies, target.object)) {
    const bool is_met = std::ranges::any_of(route.parents, [&](const ParentStatus& parent) {
      const bool below = parent.parent == target.object || parent.gateway == target.object.name;
      return below &&
             (target.section.empty() || (parent.parent == target.object &&
                                         std::ranges::find(parent.attached_listeners, target.section) !=
                                             parent.attached_listeners.end()));
    });
    if (!is_met) continue;
    const bool all_merge = std::ranges::all_of(route.extension_policies, &OwnPolicy::merges);
    (all_merge ? merging : overriding).routes.insert(key.name.to_string());
  }
  tell("Overridden", overriding, conditions);
  tell("Merged", merging, conditions);
}

void StatusWriter::add(std::size_t index) {
  const PolicyTarget& target = row_.targets[index];
  if (is_listeners(target.object.kind)) {
    const AttachPoints* points = reads_.get(environment_.parents, target.object);
    if (points != nullptr) add_listeners(target, *points);
  } else if (const RouteResult* route = reads_.get(environment_.routes, target.object)) {
    add_route(target, *route);
  }
}

}  // namespace

PolicyProblems check_extension_policy(const NamespacedName& name, const ExtensionPolicyRow& row,
                                      const PolicyStatusEnvironment& environment, flow::Reads& reads) {
  PolicyProblems checked;
  for (std::size_t i = 0; i < row.targets.size(); ++i) {
    const PolicyTarget& target = row.targets[i];
    const std::string& path = row.paths[i];
    const auto report = [&](std::string_view field, const char* code, std::string message,
                            std::string suggestion) -> Problem& {
      return checked.problems.emplace_back(Problem{.code = code,
                                                   .severity = Severity::kError,
                                                   .where = {},
                                                   .object = key_of(name),
                                                   .path = path + std::string(field),
                                                   .message = std::move(message),
                                                   .suggestion = std::move(suggestion),
                                                   .also = {}});
    };
    if (reads.get(environment.labels, target.object) == nullptr) {
      report(".name", "reference/not-found", fmt::format("there is no {}", target.object.to_string()),
             near_target(target.object, environment.labels_of, reads));
      continue;
    }
    const auto sections = sections_of(target.object, environment, reads);
    if (!is_listeners(target.object.kind) && !sections) {
      Problem& problem =
          report("", "support/no-effect",
                 fmt::format("a {} has no HTTP requests for extensions to see", target.object.kind.kind()),
                 "target an HTTPRoute, a GRPCRoute, or a listener of protocol HTTP or HTTPS");
      problem.severity = Severity::kWarning;
      continue;
    }
    if (!target.section.empty() && sections &&
        std::ranges::find(*sections, target.section) == sections->end()) {
      const bool listeners = is_listeners(target.object.kind);
      report(".sectionName", listeners ? "reference/listener" : "reference/rule",
             fmt::format("{} has no {} `{}`", target.object.to_string(),
                         listeners ? "listener" : "rule of the name", target.section),
             near_name(target.section, "it has", *sections));
      continue;
    }
    const auto [first, first_row] =
        policy_before(reads.group(environment.policies, target.object), target, name);
    if (first == nullptr) continue;
    const auto at = std::ranges::find(first_row->targets, target) - first_row->targets.begin();
    checked.problems.push_back(
        conflict_problem(key_of(name), path, key_of(*first), first_row->paths[static_cast<std::size_t>(at)],
                         first_row->creation_timestamp == row.creation_timestamp, "sections"));
  }
  return checked;
}

ObjectStatus extension_policy_status(const NamespacedName& name, const api::EnvoyExtensionPolicy& policy,
                                     const ExtensionPolicyRow& row,
                                     const PolicyStatusEnvironment& environment, flow::Reads& reads) {
  ObjectStatus status;
  status.generation = policy.metadata.generation;
  status.is_policy = true;
  StatusWriter writer(name, row, environment, reads);
  for (std::size_t i = 0; i < row.targets.size(); ++i) writer.add(i);
  status.ancestors = writer.take();
  return status;
}

}  // namespace sluice::translate

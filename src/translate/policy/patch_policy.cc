#include "translate/policy/patch_policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <re2/re2.h>

#include "base/closest.h"
#include "base/quote.h"
#include "translate/near.h"
#include "translate/upstream_names.h"
#include "tree/write.h"

namespace sluice::translate {
namespace {

using api::EnvoyResourceType;
using nlohmann::json;

const GroupKind& gateway_kind() { return api::kind_of<api::Gateway>(); }
const GroupKind& class_kind() { return api::kind_of<api::GatewayClass>(); }

// As in Envoy: "type.googleapis.com/envoy.config.listener.v3.Listener" is a Listener.
std::string_view short_name(EnvoyResourceType type) {
  switch (type) {
    case EnvoyResourceType::kListener:
      return "Listener";
    case EnvoyResourceType::kRouteConfiguration:
      return "RouteConfiguration";
    case EnvoyResourceType::kCluster:
      return "Cluster";
    case EnvoyResourceType::kClusterLoadAssignment:
      return "ClusterLoadAssignment";
    case EnvoyResourceType::kSecret:
      return "Secret";
  }
  return {};
}

Problem problem_of(const NamespacedName& policy, std::string code, std::string path, std::string message,
                   std::string suggestion) {
  return {.code = std::move(code),
          .severity = Severity::kError,
          .where = {},
          .object = {.kind = api::kind_of<api::EnvoyPatchPolicy>(), .name = policy},
          .path = std::move(path),
          .message = std::move(message),
          .suggestion = std::move(suggestion),
          .also = {}};
}

std::string operation_path(std::size_t index, std::string_view field) {
  return fmt::format("spec.jsonPatches[{}].operation.{}", index, field);
}

ResourcePatch read_patch(std::size_t index, const api::EnvoyJSONPatch& from) {
  ResourcePatch patch{.index = index, .type = from.type, .name = from.name, .operation = {}};
  const api::JSONPatchOperation& operation = from.operation;
  patch.operation.op = static_cast<patch::Op>(operation.op);
  patch.operation.path = operation.path;
  patch.operation.json_path = operation.json_path;
  patch.operation.from = operation.from;
  std::shared_ptr<json> value;
  if (operation.value) {
    // What JSON has no word for, as an infinite number, is no value.
    value =
        std::make_shared<json>(json::parse(to_json(*operation.value), nullptr, /*allow_exceptions=*/false));
    if (value->is_discarded()) value = nullptr;
  }
  patch.operation.value = value;
  patch.whole = operation.op == api::JSONPatchOperationType::kAdd && !operation.json_path &&
                operation.path.value_or("").empty();
  if (!patch.whole) return patch;
  patch.operation.path = "";
  // The resource is called as it calls itself.
  if (!value || !value->is_object()) return patch;
  const bool endpoints = from.type == EnvoyResourceType::kClusterLoadAssignment;
  for (const char* field : {"name", "cluster_name", "clusterName"}) {
    if (endpoints == (std::string_view(field) == "name") || !value->contains(field)) continue;
    if ((*value)[field].is_string()) patch.name = (*value)[field].get<std::string>();
    return patch;
  }
  (*value)[endpoints ? "cluster_name" : "name"] = from.name;
  return patch;
}

// What Envoy Gateway calls the clusters of routes of each kind.
struct RouteClusters {
  std::string_view name;
  GroupKind kind;
  bool by_rule;  // else all rules have one together, of the rule "-1"
};

const std::array<RouteClusters, 5>& route_clusters() {
  static const std::array<RouteClusters, 5> kKinds{{{"httproute", api::kind_of<api::HTTPRoute>(), true},
                                                    {"grpcroute", api::kind_of<api::GRPCRoute>(), true},
                                                    {"tlsroute", api::kind_of<api::TLSRoute>(), false},
                                                    {"tcproute", api::kind_of<api::TCPRoute>(), false},
                                                    {"udproute", api::kind_of<api::UDPRoute>(), false}}};
  return kKinds;
}

// The clusters of rules that a policy speaks of.
void find_own_clusters(std::string_view text, std::set<std::pair<ObjectKey, std::uint32_t>>& found) {
  static const re2::RE2 kName(R"(\b([a-z]+route)/([a-z0-9.-]+)/([a-z0-9.-]+)/rule/(-1|[0-9]{1,4}))"
                              R"((?:/backend/[0-9]+|-mirror-[0-9]+)?($|[^/0-9-]))");
  std::string kind;
  std::string namespace_;
  std::string name;
  std::string rule;
  re2::StringPiece rest(text.data(), text.size());
  while (re2::RE2::FindAndConsume(&rest, kName, &kind, &namespace_, &name, &rule)) {
    const auto of = std::ranges::find(route_clusters(), kind, &RouteClusters::name);
    if (of == route_clusters().end() || of->by_rule == (rule == "-1")) continue;
    std::uint32_t index = 0;
    if (of->by_rule) std::from_chars(rule.data(), rule.data() + rule.size(), index);
    found.insert({{.kind = of->kind, .name = {namespace_, name}}, index});
  }
}

// Which of the targets that Envoy Gateway knows of it is: of a Gateway by itself, or of the Gateways of a
// class together.
struct Target {
  std::optional<ir::ProxyKey> proxy;
  bool merged = false;
};

Target find_target(const NamespacedName& policy, const std::string& name, const GatewaysByProxy& gateways,
                   flow::Reads& reads) {
  const ir::ProxyKey alone = NamespacedName{policy.namespace_, name}.to_string();
  if (!reads.group(gateways, alone).empty()) return {.proxy = alone};
  if (!reads.group(gateways, name).empty()) return {.proxy = name, .merged = true};
  return {};
}

// Not in the proxy of its Gateway, or not there at all.
Problem missing_target(const NamespacedName& policy, const api::LocalObjectReference& ref,
                       const GroupKind& kind, const Projections& tables, flow::Reads& reads) {
  const std::string namespace_ = kind == class_kind() ? "" : policy.namespace_;
  const ObjectKey target{.kind = kind, .name = {namespace_, ref.name}};
  if (kind == class_kind()) {
    return problem_of(policy, "reference/not-found", "spec.targetRef.name",
                      fmt::format("the class {} has no Gateways that are merged", quote(ref.name)),
                      "target a Gateway of the policy's namespace, or set `mergeGateways` in the EnvoyProxy");
  }
  const auto same =
      reads.group(tables.names, {.kind = kind, .by = NameGroup::By::kNamespace, .text = namespace_});
  const bool exists = std::ranges::any_of(same, [&](const auto& row) { return row.first == target; });
  if (exists) {
    return problem_of(
        policy, "reference/not-found", "spec.targetRef",
        fmt::format("{} is not ours, or shares a proxy with the Gateways of its class", target.to_string()),
        "where Gateways are merged, target their GatewayClass");
  }
  return problem_of(policy, "reference/not-found", "spec.targetRef.name",
                    fmt::format("there is no {}", target.to_string()),
                    near_object(target, {}, tables, reads));
}

// Without what would make it effective.
void disarm(PatchPolicyRow& row) {
  row.patches = std::make_shared<const std::vector<ResourcePatch>>();
  row.own_clusters.clear();
}

}  // namespace

PatchPolicyRow read_patch_policy(const NamespacedName& name, const api::EnvoyPatchPolicy& policy,
                                 const Settings& settings, const GatewaysByProxy& gateways,
                                 const Projections& tables, flow::Reads& reads) {
  PatchPolicyRow row;
  row.creation_timestamp = policy.metadata.creation_timestamp;
  row.priority = policy.spec.priority;
  disarm(row);
  const api::LocalObjectReference& ref = policy.spec.target_ref;
  const GroupKind kind(ref.group, ref.kind);
  const Target target = find_target(name, ref.name, gateways, reads);
  const GroupKind& wanted = target.merged ? class_kind() : gateway_kind();
  const bool possible = kind == gateway_kind() || kind == class_kind();
  if (!target.proxy || (possible && kind != wanted)) {
    const GroupKind& missing = possible ? kind : gateway_kind();
    row.problems.push_back(missing_target(name, ref, missing, tables, reads));
    return row;
  }
  row.proxy = target.proxy;
  row.ancestor.group = wanted.group();
  row.ancestor.kind = wanted.kind();
  if (!target.merged) row.ancestor.namespace_ = name.namespace_;
  row.ancestor.name = ref.name;
  const auto refuse = [&](const char* reason, Problem problem) {
    row.conditions.push_back({"Accepted", false, reason, problem.message});
    row.problems.push_back(std::move(problem));
  };
  if (!settings.patch_policies_enabled) {
    refuse("Disabled", problem_of(name, "support/patches", "", "EnvoyPatchPolicies are switched off",
                                  "set `envoyPatchPolicyEnabled: true` in the options"));
    return row;
  }
  if (!possible) {
    KindSlip slip =
        near_kind(kind, {&wanted, 1}, fmt::format("target a {} of {}", wanted.kind(), quote(wanted.group())));
    refuse("Invalid",
           problem_of(name, "value/target", fmt::format("spec.targetRef.{}", slip.field),
                      fmt::format("no {} can be targeted", quote(ref.kind)), std::move(slip.suggestion)));
    return row;
  }
  row.conditions.push_back({"Accepted", true, "Accepted", "The policy is accepted"});
  if (policy.spec.json_patches.empty()) {
    row.problems.push_back(problem_of(name, "value/no-patch", "spec",
                                      "the policy has no patch: it changes nothing",
                                      "add some to `jsonPatches`, or remove the policy"));
    row.problems.back().severity = Severity::kWarning;
  }

  std::vector<ResourcePatch> patches;
  std::set<std::pair<ObjectKey, std::uint32_t>> own_clusters;
  for (std::size_t i = 0; i < policy.spec.json_patches.size(); ++i) {
    ResourcePatch patch = read_patch(i, policy.spec.json_patches[i]);
    if (const auto failure = patch::check(patch.operation)) {
      row.problems.push_back(problem_of(name, "value/patch", operation_path(i, failure->field),
                                        failure->message, failure->suggestion));
      continue;
    }
    find_own_clusters(patch.name, own_clusters);
    if (patch.operation.json_path) find_own_clusters(*patch.operation.json_path, own_clusters);
    if (patch.operation.value)
      find_own_clusters(to_json(*policy.spec.json_patches[i].operation.value), own_clusters);
    patches.push_back(std::move(patch));
  }
  row.patches = std::make_shared<const std::vector<ResourcePatch>>(std::move(patches));
  row.own_clusters.assign(own_clusters.begin(), own_clusters.end());
  return row;
}

// ---- what proxies refuse -------------------------------------------------------------------------

PatchPolicyRow served_instead(PatchPolicyRow last_good, const ObjectKey& policy, const std::string& message,
                              bool guilty) {
  if (guilty) {
    last_good.problems.push_back(
        problem_of(policy.name, "value/rejected", "", "the proxy rejected it: " + message, ""));
  }
  set_condition(last_good.conditions,
                {"Programmed", false, "RejectedByProxy",
                 fmt::format("The last good version is in force, the proxy rejected this one: {}", message)});
  return last_good;
}

PatchPolicyRow served_hardly(PatchPolicyRow refused, const ObjectKey& policy, const std::string& message,
                             bool guilty) {
  refused = served_instead(std::move(refused), policy, message, guilty);
  disarm(refused);
  set_condition(refused.conditions, {"Programmed", false, "RejectedByProxy",
                                     fmt::format("The proxy rejected the policy: {}", message)});
  return refused;
}

// ---- clusters of rules ---------------------------------------------------------------------------

std::vector<std::uint32_t> rules_with_own_clusters(const ObjectKey& route, const ir::ProxyKey& proxy,
                                                   const OwnClusterIndex& policies, flow::Reads& reads) {
  std::set<std::uint32_t> rules;
  for (const auto& [policy, row] : reads.group(policies, route)) {
    if (row.proxy != proxy) continue;
    for (const auto& [of, rule] : row.own_clusters) {
      if (of == route) rules.insert(rule);
    }
  }
  return {rules.begin(), rules.end()};
}

std::string own_cluster_name(const ObjectKey& route, std::size_t rule) {
  const auto of = std::ranges::find(route_clusters(), route.kind, &RouteClusters::kind);
  return fmt::format("{}/{}/rule/{}", of->name, route.name.to_string(),
                     of->by_rule ? std::to_string(rule) : "-1");
}

std::string own_cluster_name(const ObjectKey& route, std::size_t rule, std::size_t backend) {
  return fmt::format("{}/backend/{}", own_cluster_name(route, rule), backend);
}

// ---- names ---------------------------------------------------------------------------------------

namespace {

// Calls see(Envoy Gateway's name, ours) for the listeners or route tables of a proxy.
template <typename See>
void each_name(const ProxyPlan& plan, EnvoyResourceType type, See see) {
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      const std::string& ours = type == EnvoyResourceType::kListener ? listener.socket : listener.route_table;
      if (!ours.empty()) see(upstream_name(gateway, listener), ours);
    }
  }
}

// What Envoy Gateway calls the cluster of a Service's port where `mergeBackends` has rules share it,
// "service/<namespace>/<name>/<port>/http", is here "service/<namespace>/<name>:<port>".
std::string our_service_name(const std::string& name) {
  static const re2::RE2 kMerged(R"(service/([^/]+)/([^/]+)/([0-9]{1,5})/(?:http|tcp))");
  std::string namespace_;
  std::string service;
  std::string port;
  if (!re2::RE2::FullMatch(name, kMerged, &namespace_, &service, &port)) return name;
  return fmt::format("service/{}/{}:{}", namespace_, service, port);
}

std::string our_name(const ResourcePatch& patch, const ProxyPlan* plan) {
  std::string name = patch.name;
  if (patch.whole || plan == nullptr) return name;
  switch (patch.type) {
    case EnvoyResourceType::kListener:
    case EnvoyResourceType::kRouteConfiguration:
      each_name(*plan, patch.type, [&](const std::string& upstream, const std::string& ours) {
        if (upstream == patch.name) name = ours;
      });
      break;
    case EnvoyResourceType::kSecret:
      // "default/cert" is the Secret of that name.
      if (std::ranges::count(name, '/') == 1) name = "secret/" + name;
      break;
    case EnvoyResourceType::kCluster:
    case EnvoyResourceType::kClusterLoadAssignment:
      name = our_service_name(name);
      break;
  }
  return name;
}

}  // namespace

std::optional<PlacedPatches> place_patches(const PatchPolicyRow& row, const ProxyPlan* plan) {
  if (row.patches->empty()) return std::nullopt;
  PlacedPatches placed{.priority = row.priority,
                       .creation_timestamp = row.creation_timestamp,
                       .proxy = *row.proxy,
                       .patches = row.patches,
                       .names = {}};
  for (const ResourcePatch& patch : *row.patches) placed.names.push_back(our_name(patch, plan));
  return placed;
}

bool applies_before(const NamespacedName& a, const PlacedPatches& row_a, const NamespacedName& b,
                    const PlacedPatches& row_b) {
  const auto order = [](const NamespacedName& name, const PlacedPatches& row) {
    return std::tuple(row.priority, row.creation_timestamp.empty(), std::string_view(row.creation_timestamp),
                      std::cref(name).get());
  };
  return order(a, row_a) < order(b, row_b);
}

// ---- what came of them ---------------------------------------------------------------------------

namespace {

// How many rules a route has; nothing where there is no such route.
std::optional<std::size_t> rules_of(const ObjectKey& route, const Inputs& inputs, flow::Reads& reads) {
  const auto count = [&](const auto& routes) -> std::optional<std::size_t> {
    const auto* found = reads.get(routes, route.name);
    return found == nullptr ? std::nullopt : std::optional(found->spec.rules.size());
  };
  if (route.kind == api::kind_of<api::HTTPRoute>()) return count(inputs.http_routes);
  if (route.kind == api::kind_of<api::GRPCRoute>()) return count(inputs.grpc_routes);
  if (route.kind == api::kind_of<api::TLSRoute>()) return count(inputs.tls_routes);
  if (route.kind == api::kind_of<api::TCPRoute>()) return count(inputs.tcp_routes);
  return count(inputs.udp_routes);
}

struct Mistake {
  std::string message;
  std::string suggestion;
};

// What is wrong with the names of rules' clusters in a text, as far as routes and their rules go.
std::optional<Mistake> wrong_rule(std::string_view text, const Inputs& inputs, const Projections& tables,
                                  flow::Reads& reads) {
  std::set<std::pair<ObjectKey, std::uint32_t>> found;
  find_own_clusters(text, found);
  for (const auto& [route, rule] : found) {
    const std::optional<std::size_t> rules = rules_of(route, inputs, reads);
    if (!rules) {
      return Mistake{fmt::format("there is no {}", route.to_string()), near_object(route, {}, tables, reads)};
    }
    if (rule >= *rules) {
      return Mistake{fmt::format("{} has {} {}, counted from 0", route.to_string(), *rules,
                                 *rules == 1 ? "rule" : "rules"),
                     ""};
    }
  }
  return std::nullopt;
}

// Why a rule has no cluster of the name; nothing where the name is none of a rule's.
std::optional<Mistake> missing_rule(const std::string& name, const Inputs& inputs, const Projections& tables,
                                    flow::Reads& reads) {
  if (auto wrong = wrong_rule(name, inputs, tables, reads)) return wrong;
  std::set<std::pair<ObjectKey, std::uint32_t>> found;
  find_own_clusters(name, found);
  if (found.empty()) return std::nullopt;
  const auto& [route, rule] = *found.begin();
  if (name.find("-mirror-") != std::string::npos) {
    return Mistake{fmt::format("rule {} of {} has no such mirror by this proxy", rule, route.to_string()),
                   "the number is that of the filter, counted from 0"};
  }
  const auto of = std::ranges::find(route_clusters(), route.kind, &RouteClusters::kind);
  if (!of->by_rule) return Mistake{fmt::format("{} is not served by this proxy", route.to_string()), ""};
  return Mistake{
      fmt::format("rule {} of {} sends nowhere by this proxy, or its backends differ and have a cluster each",
                  rule, route.to_string()),
      fmt::format("that of a backend is called {}", quote(own_cluster_name(route, rule, 0)))};
}

// A patch of a route that names the cluster of a rule that is not there: Envoy would answer with 503.
std::optional<Problem> wrong_mention(const NamespacedName& policy, const ResourcePatch& patch,
                                     const std::vector<ResourcePatch>& all, const Inputs& inputs,
                                     const Projections& tables, flow::Reads& reads) {
  if (patch.type != EnvoyResourceType::kRouteConfiguration || !patch.operation.value) return std::nullopt;
  const std::string text = patch.operation.value->dump(-1, ' ', false, json::error_handler_t::replace);
  auto wrong = wrong_rule(text, inputs, tables, reads);
  if (!wrong) return std::nullopt;
  // The policy's own cluster may have such a name.
  const bool own = std::ranges::any_of(all, [&text](const ResourcePatch& other) {
    return other.whole && other.type == EnvoyResourceType::kCluster &&
           text.find(json(other.name).dump()) != std::string::npos;
  });
  if (own) return std::nullopt;
  return problem_of(policy, "reference/not-found", operation_path(patch.index, "value"),
                    std::move(wrong->message), std::move(wrong->suggestion));
}

Problem missing_resource(const NamespacedName& policy, const ResourcePatch& patch,
                         const PlacedPatches& placed, const Inputs& inputs, const Projections& tables,
                         const PatchNames& names, flow::Reads& reads) {
  const std::string path = fmt::format("spec.jsonPatches[{}].name", patch.index);
  const std::string what = fmt::format("there is no {} {}", short_name(patch.type), quote(patch.name));
  const bool of_rule =
      patch.type == EnvoyResourceType::kCluster || patch.type == EnvoyResourceType::kClusterLoadAssignment;
  if (of_rule) {
    if (auto why = missing_rule(patch.name, inputs, tables, reads)) {
      return problem_of(policy, "reference/not-found", path, fmt::format("{}: {}", what, why->message),
                        std::move(why->suggestion));
    }
  }
  std::vector<std::string> there;
  if (of_rule) {
    for (const auto& [key, row] : reads.group(names.clusters, placed.proxy)) there.push_back(key.name);
  } else if (const ProxyPlan* plan = reads.get(names.proxies, placed.proxy)) {
    if (patch.type == EnvoyResourceType::kSecret) {
      for (const ir::Secret& secret : plan->secrets) there.push_back(secret.name);
    } else {
      each_name(*plan, patch.type,
                [&](const std::string& upstream, const std::string&) { there.push_back(upstream); });
    }
  }
  std::ranges::sort(there);
  const std::string_view near = closest(patch.name, {there.begin(), there.end()});
  constexpr std::size_t kListed = 8;
  return problem_of(policy, "reference/not-found", path,
                    fmt::format("{} in the proxy of {}", what, quote(placed.proxy)),
                    !near.empty()             ? did_you_mean(near)
                    : there.size() <= kListed ? list_names("there are", there)
                                              : "");
}

const ResourcePatch& patch_at(const std::vector<ResourcePatch>& patches, std::size_t index) {
  return *std::ranges::find(patches, index, &ResourcePatch::index);
}

}  // namespace

PolicyProblems patch_problems(const NamespacedName& name, const PlacedPatches& placed,
                              const std::vector<const PatchFault*>& faults, const Inputs& inputs,
                              const Projections& tables, const PatchNames& names, flow::Reads& reads) {
  PolicyProblems found;
  for (const ResourcePatch& patch : *placed.patches) {
    if (auto problem = wrong_mention(name, patch, *placed.patches, inputs, tables, reads)) {
      found.problems.push_back(*std::move(problem));
    }
  }
  for (const PatchFault* fault : faults) {
    const ResourcePatch& patch = patch_at(*placed.patches, fault->index);
    if (fault->missing) {
      found.problems.push_back(missing_resource(name, patch, placed, inputs, tables, names, reads));
    } else {
      found.problems.push_back(problem_of(
          name, "value/patch", operation_path(fault->index, fault->failure.field),
          fmt::format("{} {}: {}", short_name(patch.type), quote(patch.name), fault->failure.message),
          fault->failure.suggestion));
    }
  }
  return found;
}

ObjectStatus patch_policy_status(const api::EnvoyPatchPolicy& policy, const PatchPolicyRow& row,
                                 const std::vector<const PatchFault*>& faults) {
  ObjectStatus status;
  status.generation = policy.metadata.generation;
  status.is_policy = true;
  if (!row.proxy) return status;
  Conditions conditions = row.conditions;
  const Condition* accepted = find_condition(conditions, "Accepted");
  if (accepted != nullptr && accepted->status && find_condition(conditions, "Programmed") == nullptr) {
    std::vector<std::string> missing;
    std::vector<std::string> failed;
    for (const PatchFault* fault : faults) {
      const ResourcePatch& patch = patch_at(*row.patches, fault->index);
      const std::string what = fmt::format("{} {}", short_name(patch.type), quote(patch.name));
      if (fault->missing) {
        missing.push_back(what);
      } else {
        failed.push_back(fmt::format("{}: {}", what, fault->failure.message));
      }
    }
    for (const Problem& problem : row.problems) {
      if (problem.code == "value/patch") failed.push_back(problem.message);
    }
    // Upstream's order: a resource that is missing hides what else is wrong.
    if (!missing.empty()) {
      conditions.push_back(
          {"Programmed", false, "ResourceNotFound", fmt::format("There is no {}", fmt::join(missing, ", "))});
    } else if (!failed.empty()) {
      conditions.push_back({"Programmed", false, "Invalid", fmt::format("{}", fmt::join(failed, "\n"))});
    } else {
      conditions.push_back({"Programmed", true, "Programmed", "The patches are in force"});
    }
  }
  status.ancestors.emplace_back(row.ancestor, std::move(conditions));
  return status;
}

}  // namespace sluice::translate

#include "control/pipeline.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <variant>

#include "control/tables/filters.h"
#include "control/tables/gateways.h"
#include "control/tables/infrastructure.h"
#include "control/tables/inputs.h"
#include "control/tables/patches.h"
#include "control/tables/policies.h"
#include "control/tables/pools.h"
#include "control/tables/projections.h"
#include "control/tables/resources.h"
#include "control/tables/route_tables.h"
#include "control/tables/routes.h"
#include "control/tables/services.h"
#include "control/tables/statuses.h"
#include "translate/proxy_plan.h"
#include "translate/tables.h"
#include "translate/upstream_tls.h"

namespace sluice::control {
namespace {

using flow::Table;
using translate::XdsKey;
using xds::ResourceType;

// To which aggregates a row brings something.
std::set<std::string> aggregates_of(const translate::RouteResult& route) {
  std::set<std::string> aggregates;
  for (const auto& [host, contribution] : route.contributions) aggregates.insert(host.table);
  for (const auto& [socket, contribution] : route.streams) aggregates.insert(socket.proxy);
  return aggregates;
}
std::set<std::string> aggregates_of(const translate::GatewayPlan& gateway) { return {gateway.proxy}; }
std::set<std::string> aggregates_of(const translate::ListenerSetPlan& set,
                                    const Table<NamespacedName, translate::GatewayPlan>& gateways) {
  const translate::GatewayPlan* gateway = set.attached ? gateways.get(set.gateway) : nullptr;
  return gateway == nullptr ? std::set<std::string>() : aggregates_of(*gateway);
}

std::set<std::string> aggregates_of(const translate::PlacedPatches& placed) {
  std::set<std::string> aggregates;
  for (std::size_t i = 0; i < placed.names.size(); ++i) {
    aggregates.insert(tables::aggregate_of(tables::resource_type((*placed.patches)[i].type),
                                           {.proxy = placed.proxy, .name = placed.names[i]}));
  }
  return aggregates;
}

// A filter brings something by the routes that read it.
std::set<std::string> aggregates_of(const translate::ExtendedFilterRow&) { return {}; }

// Those of the routes that changed with HTTPRouteFilters that they read.
void add_aggregates_of_readers(const Table<ObjectKey, translate::RouteResult>& routes,
                               std::vector<Pipeline::Contributor>& contributors) {
  std::map<ObjectKey, Pipeline::Contributor*> filters;
  for (Pipeline::Contributor& contributor : contributors) {
    if (contributor.object.kind == api::kind_of<api::ExtendedRouteFilter>()) {
      filters.emplace(contributor.object, &contributor);
    }
  }
  if (filters.empty()) return;
  for (const auto& change : routes.changes()) {
    if (change.after == nullptr) continue;
    for (const NamespacedName& name : change.after->extended_filters) {
      const auto filter = filters.find(tables::object_key<api::ExtendedRouteFilter>(name));
      if (filter != filters.end()) filter->second->aggregates.merge(aggregates_of(*change.after));
    }
  }
}

// Whether it is the same.
bool brings_the_same(const translate::RouteResult& a, const translate::RouteResult& b) {
  return a.contributions == b.contributions && a.streams == b.streams;
}
bool brings_the_same(const translate::GatewayPlan& a, const translate::GatewayPlan& b) { return a == b; }
bool brings_the_same(const translate::PlacedPatches& a, const translate::PlacedPatches& b) { return a == b; }
bool brings_the_same(const translate::ExtendedFilterRow& a, const translate::ExtendedFilterRow& b) {
  translate::ExtendedFilterRow with_problems = a;
  with_problems.problems = b.problems;
  return with_problems == b;
}
bool brings_the_same(const translate::ListenerSetPlan& a, const translate::ListenerSetPlan& b) {
  return a.gateway == b.gateway && a.listeners == b.listeners;
}

}  // namespace

// Every table, in the order of the data's way. A stage reads only tables above it.
struct Pipeline::Tables {
  Tables(translate::Settings with, std::vector<std::string> args)
      : settings(std::move(with)), envoy_args(std::move(args)) {}

  const translate::Settings settings;
  const std::vector<std::string> envoy_args;
  flow::Graph graph;

  const tables::Inputs in{graph};
  const tables::Projections projected{graph, settings, in, projections};
  const tables::Services services{graph, in, projections};
  const tables::Policies policies{graph, settings, in, projections};
  const tables::Pools pools{graph, settings, in, projections};
  const tables::Filters filters{graph, in, projections};
  // What stages of translate read of the above. Those above read it too, but not before they run.
  const translate::Projections projections{.classes = projected.classes,
                                           .classes_of = projected.classes_of,
                                           .namespace_labels = projected.namespace_labels,
                                           .grants_in = projected.grants_in,
                                           .certificates = projected.certificates,
                                           .services = services.services,
                                           .readiness = services.readiness,
                                           .backends = policies.backends,
                                           .x_backends = policies.x_backends,
                                           .pools = pools.views,
                                           .picker_answers = pools.answers,
                                           .extended_filters = filters.extended,
                                           .backend_tls_policies_of = policies.backend_tls_of,
                                           .traffic_policies_of = policies.traffic_of,
                                           .names = projected.names,
                                           .unusable = in.unusable,
                                           .host = in.host_addresses};
  const tables::Gateways gateways{graph, settings, in, projections};
  const tables::Infrastructure infrastructure{graph, in, gateways};
  const tables::Patches patches{graph, settings, in, projections, gateways};
  ModuleResolver resolve_module;
  const tables::Extensions extensions{graph, settings, in, projections, gateways, resolve_module, envoy_args};
  const tables::Routes routes{graph, settings, in, projections, gateways, patches, extensions};
  const tables::RouteTables route_tables{graph, gateways, routes};
  const tables::PickedPools picked{graph, settings, in, services, pools, routes};
  const tables::Resources resources{graph, in, projections, services, gateways, routes, route_tables, picked};
  const tables::PatchedResources patched{graph, in, projections, gateways, patches, route_tables, resources};
  const tables::Statuses statuses{graph,   settings,   in,     projected,    policies, gateways, patches,
                                  patched, extensions, routes, route_tables, pools,    picked};

  // Calls f with each table whose rows have problems.
  template <typename F>
  void each_with_problems(F f) const {
    f(projected.classes);
    f(projected.problems_of_grants);
    f(gateways.classless);
    f(gateways.listener_sets);
    f(gateways.served);
    f(infrastructure.objects);
    f(gateways.telemetry_problems);
    f(extensions.policies);
    f(extensions.filter_orders);
    f(extensions.launches);
    f(routes.all);
    f(route_tables.problems_of_lost);
    f(services.problems_of_slices);
    f(services.problems_of_pods);
    f(pools.views);
    f(pools.problems_of_members);
    f(pools.objectives);
    f(pools.rewrites);
    f(pools.configs);
    f(filters.extended);
    f(policies.backends);
    f(policies.backend_tls);
    f(policies.backend_tls_targets);
    f(policies.x_backends);
    f(policies.traffic);
    f(policies.traffic_targets);
    f(resources.sockets);
    f(patches.policies);
    f(patched.problems);
    f(statuses.extension_targets);
    f(statuses.unserved_problems);
  }
};

Pipeline::Pipeline(translate::Settings settings, std::vector<std::string> envoy_args)
    : tables_(std::make_unique<Tables>(std::move(settings), std::move(envoy_args))) {}
Pipeline::~Pipeline() = default;

bool Pipeline::upsert(const api::BoundObject& object) {
  return std::visit(
      [&]<typename T>(const std::shared_ptr<const T>& row) {
        auto& table = tables_->in.table<T>();
        const T* const before = table.get(object.key.name);
        table.set(object.key.name, row);
        return before == nullptr || !(*before == *row);
      },
      object.object);
}

void Pipeline::erase(const ObjectKey& object) {
  tables_->in.with_table(object.kind, [&](auto& table) { table.erase(object.name); });
}

std::optional<api::Object> Pipeline::object(const ObjectKey& key) const {
  std::optional<api::Object> found;
  tables_->in.with_table(key.kind, [&](auto& table) {
    if (auto row = table.get_shared(key.name)) found = std::move(row);
  });
  return found;
}

void Pipeline::refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal) {
  if (refusal == nullptr) {
    tables_->in.refused.erase(object);
  } else {
    tables_->in.refused.set(object, std::move(refusal));
  }
}

void Pipeline::set_proxy_state(const ir::ProxyKey& proxy, ProxyState state) {
  tables_->in.proxy_states.set(proxy, std::move(state));
}

void Pipeline::set_infrastructure(infra::Settings settings) {
  tables_->in.infrastructure.set(tables::Inputs::kInstalled, std::move(settings));
}

void Pipeline::set_installation(const ir::ProxyKey& proxy,
                                std::optional<translate::Installation> installation) {
  if (installation) {
    tables_->in.installations.set(proxy, *std::move(installation));
  } else {
    tables_->in.installations.erase(proxy);
  }
}

void Pipeline::set_node_addresses(translate::NodeAddresses addresses) {
  tables_->in.node_addresses.set(tables::Inputs::kInstalled, std::move(addresses));
}

void Pipeline::set_unserved(const XdsKey& resource, std::optional<translate::Unserved> why) {
  if (why) {
    tables_->in.unserved.set(resource, *std::move(why));
  } else {
    tables_->in.unserved.erase(resource);
  }
}

void Pipeline::set_cluster_refused(const XdsKey& cluster, std::optional<std::string> words) {
  if (words) {
    tables_->in.refused_clusters.set(cluster, *std::move(words));
  } else {
    tables_->in.refused_clusters.erase(cluster);
  }
}

void Pipeline::set_modules(ModuleResolver resolve) { tables_->resolve_module = std::move(resolve); }

void Pipeline::look_at_module(const std::string& slot) {
  const std::uint64_t* times = tables_->in.module_changes.get(slot);
  tables_->in.module_changes.set(slot, times == nullptr ? 1 : *times + 1);
}

const flow::Table<std::string, wasm::Source>& Pipeline::wanted_modules() const {
  return tables_->extensions.wanted_modules;
}

void Pipeline::set_unusable(const std::vector<Problem>& of_source) {
  std::set<ObjectKey> now;
  for (const Problem& problem : of_source) {
    if (problem.severity == Severity::kError && !problem.object.name.name.empty()) now.insert(problem.object);
  }
  for (const ObjectKey& object : unusable_) {
    if (!now.contains(object)) tables_->in.unusable.erase(object);
  }
  for (const ObjectKey& object : now) {
    if (!unusable_.contains(object)) tables_->in.unusable.set(object, translate::Named());
  }
  unusable_ = std::move(now);
}

void Pipeline::set_host(translate::HostAddresses addresses) {
  tables_->in.host_addresses.set(translate::kHost, std::move(addresses));
}

std::vector<std::pair<GroupKind, std::size_t>> Pipeline::count_objects() const {
  std::vector<std::pair<GroupKind, std::size_t>> counts;
  const auto count = [&]<typename T>(const std::shared_ptr<const T>*) {
    counts.emplace_back(api::kind_of<T>(), tables_->in.table<T>().size());
  };
  [&]<typename... T>(const std::variant<T...>*) {
    (count(static_cast<const T*>(nullptr)), ...);
  }(static_cast<const api::Object*>(nullptr));
  return counts;
}

flow::CommitStats Pipeline::commit() { return tables_->graph.commit(); }
void Pipeline::forget_changes() { tables_->graph.forget_changes(); }

const RenderedTable& Pipeline::resources(ResourceType type) const { return tables_->patched.of(type).all; }

Pipeline::ClusterOwner Pipeline::owner_of_cluster(const XdsKey& cluster) const {
  // That of a server of modules is of nobody's own: then it is the first that has it.
  std::optional<ClusterOwner> owner;
  tables_->extensions.policies.for_each(
      [&](const NamespacedName& policy, const translate::ExtensionPolicyRow& row) {
        if (owner && owner->object.name < policy) return;
        if (auto extension = translate::extension_with(row, cluster.name)) {
          owner = {tables::object_key<api::EnvoyExtensionPolicy>(policy), "spec." + *extension};
        }
      });
  if (owner) return *std::move(owner);
  const translate::ClusterRow* row = tables_->resources.cluster_rows.get(cluster);
  return {row == nullptr ? ObjectKey() : row->cluster.owner, ""};
}

ObjectKey Pipeline::owner_of_filter(const XdsKey& filter) const {
  ObjectKey owner;
  tables_->resources.sockets.for_each([&](const XdsKey& socket, const translate::SocketRow& row) {
    if (socket.proxy != filter.proxy) return;
    for (const ir::HttpChain& chain : row.listener.chains) {
      for (const ir::ExtensionPtr& extension : chain.extensions) {
        const auto* picker = std::get_if<ir::EndpointPicker>(&extension->filter);
        if (picker != nullptr && extension->name == filter.name)
          owner = tables::object_key<api::InferencePool>(picker->pool);
      }
    }
  });
  return owner;
}

ObjectKey Pipeline::owner_of_secret(const XdsKey& secret) const {
  for (const std::string_view start : {translate::kListenerCertificates, translate::kBackendCertificates}) {
    const std::string_view name = secret.name;
    const std::size_t slash = name.find('/', start.size());
    if (!name.starts_with(start) || slash == std::string_view::npos) continue;
    return tables::object_key<api::Secret>(
        {std::string(name.substr(start.size(), slash - start.size())), std::string(name.substr(slash + 1))});
  }
  std::optional<translate::SecretSource> found;
  tables_->resources.cluster_rows.for_each([&](const XdsKey& cluster, const translate::ClusterRow& row) {
    const auto at = std::ranges::find(row.secrets, secret.name, &translate::SecretSource::name);
    if (cluster.proxy == secret.proxy && at != row.secrets.end()) found = *at;
  });
  tables_->routes.all.for_each([&](const ObjectKey&, const translate::RouteResult& route) {
    for (const auto& [key, source] : route.secrets) {
      if (key == secret) found = source;
    }
  });
  if (!found) return {};
  if (found->credential) return tables::object_key<api::Secret>(*found->credential);
  return found->authorities.objects.empty() ? ObjectKey() : found->authorities.objects.front();
}

const flow::Table<ir::ProxyKey, translate::ProxyPlan>& Pipeline::proxies() const {
  return tables_->gateways.proxies;
}
const flow::Table<ir::ProxyKey, ProxyObjects>& Pipeline::objects_of_proxies() const {
  return tables_->infrastructure.objects;
}
const flow::Table<ObjectKey, translate::RouteResult>& Pipeline::routes() const { return tables_->routes.all; }
const flow::Table<NamespacedName, translate::GatewayPlan>& Pipeline::gateways() const {
  return tables_->gateways.gateways;
}
const flow::Table<XdsKey, translate::SocketRow>& Pipeline::sockets() const {
  return tables_->resources.sockets;
}
const flow::Table<XdsKey, translate::ClusterRow>& Pipeline::cluster_rows() const {
  return tables_->resources.cluster_rows;
}
const flow::Table<ObjectKey, translate::ServiceView>& Pipeline::services() const {
  return tables_->services.services;
}
const flow::Table<ObjectKey, translate::ServiceEndpoints>& Pipeline::endpoints_of_services() const {
  return tables_->services.endpoints_of;
}
const flow::Table<NamespacedName, translate::PickerPlan>& Pipeline::pickers() const {
  return tables_->picked.pickers;
}
const std::vector<KindStatuses>& Pipeline::statuses() const { return tables_->statuses.all; }

std::vector<Pipeline::Contributor> Pipeline::changed_contributors() const {
  std::vector<Contributor> contributors;
  const auto is_refused = [this](const ObjectKey& key) {
    const Refusal* refusal = tables_->in.refused.get(key);
    return refusal != nullptr && api::equal(refusal->refused, *object(key));
  };
  const auto collect = [&](const auto& table, const auto& key_of, const auto&... context) {
    for (const auto& change : table.changes()) {
      // What has gone can be refused no more.
      if (change.after == nullptr) continue;
      if (change.before != nullptr && brings_the_same(*change.before, *change.after)) continue;
      const ObjectKey key = key_of(change.key);
      Contributor contributor{key, aggregates_of(*change.after, context...), is_refused(key)};
      if (change.before != nullptr) {
        contributor.aggregates.merge(aggregates_of(*change.before, context...));
      }
      contributors.push_back(std::move(contributor));
    }
  };
  collect(tables_->routes.all, std::identity());
  collect(tables_->gateways.gateways, tables::object_key<api::Gateway>);
  collect(tables_->patches.placed, tables::object_key<api::EnvoyPatchPolicy>);
  collect(tables_->gateways.listener_sets, tables::object_key<api::ListenerSet>, tables_->gateways.gateways);
  for (auto& [policy, proxies] : proxies_of_changed_policies()) {
    const ObjectKey key = tables::object_key<api::EnvoyExtensionPolicy>(policy);
    contributors.push_back(
        {key, std::move(proxies), tables_->extensions.policies.get(policy)->refusal.has_value()});
  }
  collect(tables_->filters.extended, tables::object_key<api::ExtendedRouteFilter>);
  add_aggregates_of_readers(tables_->routes.all, contributors);
  return contributors;
}

// The proxies whose listeners have filters of a policy, of those that are new there or of which anything else
// has changed.
std::map<NamespacedName, std::set<std::string>> Pipeline::proxies_of_changed_policies() const {
  const auto& filters = tables_->route_tables.filters;
  std::set<NamespacedName> changed;
  for (const auto& change : tables_->extensions.policies.changes()) {
    if (change.after != nullptr) changed.insert(change.key);
  }
  for (const auto& change : filters.changes()) {
    if (change.after == nullptr) continue;
    for (const ir::ExtensionPtr& extension : change.after->extensions) {
      const auto is_same = [&](const ir::ExtensionPtr& before) { return *before == *extension; };
      const bool is_new =
          change.before == nullptr || std::ranges::none_of(change.before->extensions, is_same);
      if (is_new && !extension->policy.name.empty()) changed.insert(extension->policy);
    }
  }
  std::map<NamespacedName, std::set<std::string>> proxies;
  if (changed.empty()) return proxies;
  tables_->route_tables.plans.for_each([&](const XdsKey& table, const auto&) {
    const tables::TableFilters* its = filters.get(table.name);
    if (its == nullptr) return;
    for (const ir::ExtensionPtr& extension : its->extensions) {
      if (changed.contains(extension->policy)) proxies[extension->policy].insert(table.proxy);
    }
  });
  return proxies;
}

std::vector<std::string> Pipeline::plugins_of(const ObjectKey& object) const {
  std::vector<std::string> plugins;
  if (object.kind != api::kind_of<api::EnvoyExtensionPolicy>()) return plugins;
  const auto* policy = tables_->in.objects.envoy_extension_policies.get(object.name);
  for (std::size_t i = 0; policy != nullptr && i < policy->spec.wasm.size(); ++i) {
    const std::string name = policy->spec.wasm[i].name.value_or("");
    plugins.push_back(name.empty() ? translate::plugin_name(object.name, i) : name);
  }
  // The library of a dynamic module stands in the EnvoyProxy.
  const auto* row = tables_->extensions.policies.get(object.name);
  if (row == nullptr) return plugins;
  for (const auto& [terms, set] : row->sets) {
    for (const translate::PolicyExtension& extension :
         set->by_kind[static_cast<std::size_t>(translate::ExtensionKind::kDynamicModule)]) {
      if (extension.filter == nullptr) continue;
      const auto& module = std::get<ir::DynamicModule>(extension.filter->filter);
      if (!module.path.empty()) plugins.push_back(module.path);
    }
  }
  return plugins;
}

std::string Pipeline::code_of(const ObjectKey& object) const {
  if (object.kind != api::kind_of<api::EnvoyExtensionPolicy>()) return "";
  const translate::ExtensionPolicyRow* row = tables_->extensions.policies.get(object.name);
  if (row == nullptr) return "";
  const Refusal* refusal = row->refusal ? tables_->in.refused.get(object) : nullptr;
  return refusal != nullptr ? refusal->code : translate::code_of(*row);
}

bool Pipeline::is_accepted(const ObjectKey& object) const {
  const translate::RouteResult* route = tables_->routes.all.get(object);
  return route == nullptr || std::ranges::any_of(route->parents, [](const translate::ParentStatus& parent) {
           const translate::Condition* accepted = translate::find_condition(parent.conditions, "Accepted");
           return accepted == nullptr || accepted->status;
         });
}

std::set<std::string> Pipeline::libraries_of(const NamespacedName& policy) const {
  std::set<std::string> slots;
  const translate::ExtensionPolicyRow* row = tables_->extensions.policies.get(policy);
  if (row == nullptr) return slots;
  for (const auto& [terms, set] : row->sets) slots.insert(set->libraries.begin(), set->libraries.end());
  return slots;
}

std::optional<std::string> Pipeline::aggregate_of(ResourceType type, const XdsKey& resource) const {
  const bool always = type == ResourceType::kListener || type == ResourceType::kRoutes;
  if (!always && tables_->patched.of(type).in_place.get(resource) == nullptr) return std::nullopt;
  return tables::aggregate_of(type, resource);
}

std::vector<NamespacedName> Pipeline::patches_of(ResourceType type, const XdsKey& resource) const {
  const auto& patched = tables_->patched.of(type);
  std::vector<NamespacedName> policies;
  if (patched.in_place.get(resource) == nullptr) return policies;
  for (const auto& [policy, placed] : patched.patches_of.group(resource)) policies.push_back(policy);
  return policies;
}

std::string Pipeline::patched_aggregate(const ir::ProxyKey& proxy) {
  return tables::aggregate_of(ResourceType::kCluster, {.proxy = proxy, .name = {}});
}

std::vector<Problem> Pipeline::problems() const {
  std::vector<Problem> all;
  tables_->each_with_problems([&all](const auto& table) {
    table.for_each([&all](const auto&, const auto& row) {
      all.insert(all.end(), row.problems.begin(), row.problems.end());
    });
  });
  std::ranges::sort(all);
  return all;
}

Pipeline::ProblemChanges Pipeline::problem_changes() const {
  ProblemChanges changes;
  const auto append = [](std::vector<Problem>& to, const auto& row) {
    if (row != nullptr) to.insert(to.end(), row->problems.begin(), row->problems.end());
  };
  tables_->each_with_problems([&](const auto& table) {
    for (const auto& change : table.changes()) {
      append(changes.removed, change.before);
      append(changes.added, change.after);
    }
  });
  return changes;
}

}  // namespace sluice::control

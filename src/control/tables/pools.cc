#include "control/tables/pools.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "control/picker_plan.h"
#include "translate/near.h"

namespace sluice::control::tables {

using translate::PickerPlan;
using translate::PoolExtraRow;
using translate::RouteResult;

namespace {

// By pool; what is not accepted is of none.
auto& extras_of(Graph& graph, std::string name, const Table<NamespacedName, PoolExtraRow>& extras) {
  return graph.index(std::move(name), extras, [](const NamespacedName&, const PoolExtraRow& row) {
    return row.accepted() ? std::optional(row.pool) : std::nullopt;
  });
}

}  // namespace

Pools::Pools(Graph& graph, const translate::Settings& settings, const Inputs& in,
             const translate::Projections& projections)
    : views(graph.map("pools", in.objects.inference_pools,
                      [&](const NamespacedName& name, const api::InferencePool& pool, Reads& reads) {
                        return translate::read_pool(name, pool, settings, in.objects, projections, reads);
                      })),
      pods_in(
          graph.index("pods by namespace", in.objects.pods,
                      [](const NamespacedName& name, const api::Pod&) { return name.namespace_.text(); })),
      problems_of_members(
          graph.map("problems of members of pools", in.objects.inference_pools,
                    [this](const NamespacedName& name, const api::InferencePool& pool, Reads& reads) {
                      std::vector<const api::Pod*> pods;
                      for (const auto& [pod, row] : reads.group(pods_in, name.namespace_.text()))
                        pods.push_back(&row);
                      return translate::check_members(name, pool.spec, pods);
                    })),
      objectives(
          graph.map("objectives", in.objects.inference_objectives,
                    [&](const NamespacedName& name, const api::InferenceObjective& objective, Reads& reads) {
                      return translate::read_objective(name, objective, projections, reads);
                    })),
      rewrites(
          graph.map("model rewrites", in.objects.inference_model_rewrites,
                    [&](const NamespacedName& name, const api::InferenceModelRewrite& rewrite, Reads& reads) {
                      return translate::read_model_rewrite(name, rewrite, projections, reads);
                    })),
      configs(graph.map(
          "picker configs", in.objects.inference_pools,
          [&](const NamespacedName& name, const api::InferencePool& pool, Reads& reads) {
            return read_picker_config(
                name, pool,
                {.find = [&](const NamespacedName& map) { return reads.get(in.objects.config_maps, map); },
                 .near =
                     [&](const NamespacedName& missing) {
                       return translate::near_object(
                           {.kind = api::kind_of<api::ConfigMap>(), .name = missing}, {}, projections, reads);
                     }});
          })),
      answers(graph.map(
          "answers that pickers see", configs, [](const NamespacedName&, const PickerConfig& config) {
            return config.answers == ir::AnswersShown::kAll ? std::nullopt : std::optional(config.answers);
          })) {}

PickedPools::PickedPools(Graph& graph, const translate::Settings& settings, const Inputs& in,
                         const Services& services, const Pools& pools, const Routes& routes)
    : routes_to(graph.index("routes by pool", routes.all,
                            [](const ObjectKey&, const RouteResult& result) { return result.pools; })),
      objectives_of(extras_of(graph, "objectives by pool", pools.objectives)),
      rewrites_of(extras_of(graph, "model rewrites by pool", pools.rewrites)),
      pickers(graph.map(
          "pickers", in.objects.inference_pools,
          [&, this](const NamespacedName& name, const api::InferencePool& pool,
                    Reads& reads) -> std::optional<PickerPlan> {
            if (pool.spec.endpoint_picker_ref || uses(name, reads).empty()) return std::nullopt;
            const translate::PoolView* view = reads.get(pools.views, name);
            const bool inside = view != nullptr && view->inside;
            const bool here = settings.on_host;
            PickerPlan plan{.socket = here && !inside ? translate::picker_socket(settings, name) : "",
                            .file = here && inside ? translate::picker_file(settings, name) : "",
                            .servers = servers_of(pool, services.pods_near(name, pool, reads)),
                            .priorities = {},
                            .rewrites = {}};
            const PickerConfig* config = reads.get(pools.configs, name);
            if (config != nullptr) {
              plan.config = config->json;
              plan.metrics = config->metrics;
              plan.reads_answers = config->reads_answers;
            }
            for (const auto& [objective, row] : reads.group(objectives_of, name)) {
              const api::InferenceObjective* object = reads.get(in.objects.inference_objectives, objective);
              if (object != nullptr) plan.priorities[objective.name] = object->spec.priority.value_or(0);
            }
            translate::ModelRewrites rewrites;
            for (const auto& [rewrite, row] : reads.group(rewrites_of, name)) {
              const api::InferenceModelRewrite* object =
                  reads.get(in.objects.inference_model_rewrites, rewrite);
              if (object != nullptr) rewrites.emplace_back(rewrite, object);
            }
            plan.rewrites = translate::order_rewrites(std::move(rewrites));
            return plan;
          })) {}

std::vector<translate::PoolUse> PickedPools::uses(const NamespacedName& pool, Reads& reads) const {
  std::map<NamespacedName, bool> by_gateway;
  for (const auto& [route, result] : reads.group(routes_to, pool)) {
    for (const translate::ParentStatus& parent : result.parents) {
      const translate::Condition* accepted = translate::find_condition(parent.conditions, "Accepted");
      bool& any = by_gateway[parent.gateway];
      any = any || (accepted != nullptr && accepted->status);
    }
  }
  std::vector<translate::PoolUse> uses;
  for (const auto& [gateway, accepted] : by_gateway)
    uses.push_back({.gateway = gateway, .accepted = accepted});
  return uses;
}

}  // namespace sluice::control::tables

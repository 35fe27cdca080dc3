#include "cli/pool_files.h"

#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/closest.h"
#include "base/quote.h"
#include "control/picker_config.h"
#include "control/picker_plan.h"
#include "translate/near.h"

namespace sluice::cli {
namespace {

std::string with_namespace(std::string_view name) {
  if (name.empty() || name.contains('/')) return std::string(name);
  return fmt::format("default/{}", name);
}

bool is_for(const api::PoolReference& ref, const NamespacedName& object, const NamespacedName& pool) {
  return ref.group == translate::kPoolGroup && ref.kind == "InferencePool" && ref.name == pool.name &&
         object.namespace_ == pool.namespace_;
}

// Puts the object where it belongs, if it is of this kind.
template <typename T>
void put(const api::BoundObject& object, std::map<NamespacedName, std::shared_ptr<const T>>& objects) {
  if (const auto* of = std::get_if<std::shared_ptr<const T>>(&object.object)) objects[object.key.name] = *of;
}
template <typename T>
void take(const ObjectKey& key, std::map<NamespacedName, std::shared_ptr<const T>>& objects) {
  if (key.kind == api::kind_of<T>()) objects.erase(key.name);
}

}  // namespace

PoolFiles::PoolFiles(std::string_view wanted) : wanted_(with_namespace(wanted)) {}

std::set<GroupKind> PoolFiles::kinds() {
  return {api::kind_of<api::InferencePool>(), api::kind_of<api::Pod>(),
          api::kind_of<api::InferenceObjective>(), api::kind_of<api::InferenceModelRewrite>(),
          api::kind_of<api::ConfigMap>()};
}

void PoolFiles::apply(const source::Batch& batch) {
  const auto each = [this](auto what) {
    what(pools_);
    what(pods_);
    what(objectives_);
    what(rewrites_);
    what(config_maps_);
  };
  for (const api::BoundObject& object : batch.upserted) each([&](auto& objects) { put(object, objects); });
  for (const ObjectKey& key : batch.deleted) each([&](auto& objects) { take(key, objects); });
}

std::expected<PoolFiles::Planned, Problem> PoolFiles::plan() const {
  std::vector<std::string> names;
  auto found = pools_.end();
  for (auto at = pools_.begin(); at != pools_.end(); ++at) {
    names.push_back(at->first.to_string());
    if (wanted_.empty() ? pools_.size() == 1 : names.back() == wanted_) found = at;
  }
  if (found == pools_.end()) {
    Problem problem;
    problem.code = "reference/not-found";
    if (names.empty()) {
      problem.message = "there is no InferencePool in these files";
    } else if (wanted_.empty()) {
      problem.message = fmt::format("there are several InferencePools: {}", fmt::join(names, ", "));
      problem.suggestion = "say which by --pool";
    } else {
      problem.message = fmt::format("there is no InferencePool {} in these files", quote(wanted_));
      problem.suggestion = did_you_mean(closest(wanted_, {names.begin(), names.end()}));
    }
    return std::unexpected(std::move(problem));
  }
  const NamespacedName& name = found->first;
  const api::InferencePool& pool = *found->second;
  std::vector<const api::Pod*> pods;
  for (const auto& [pod, object] : pods_) {
    if (pod.namespace_ == name.namespace_) pods.push_back(object.get());
  }
  translate::PickerPlan plan{
      .socket = {}, .file = {}, .servers = control::servers_of(pool, pods), .priorities = {}, .rewrites = {}};
  for (const auto& [objective, object] : objectives_) {
    if (is_for(object->spec.pool_ref, objective, name))
      plan.priorities[objective.name] = object->spec.priority.value_or(0);
  }
  translate::ModelRewrites rewrites;
  for (const auto& [rewrite, object] : rewrites_) {
    if (is_for(object->spec.pool_ref, rewrite, name)) rewrites.emplace_back(rewrite, object.get());
  }
  plan.rewrites = translate::order_rewrites(std::move(rewrites));
  const auto find = [this](const NamespacedName& map) {
    const auto at = config_maps_.find(map);
    return at == config_maps_.end() ? nullptr : at->second.get();
  };
  const auto near = [this](const NamespacedName& missing) {
    std::vector<std::string_view> beside;
    for (const auto& [map, object] : config_maps_) {
      if (map.namespace_ == missing.namespace_) beside.push_back(map.name);
    }
    return translate::near_among(missing.name, std::move(beside));
  };
  auto config = control::read_picker_config(name, pool, {.find = find, .near = near});
  if (!config) return Planned{std::move(plan), {}};
  plan.config = std::move(config->json);
  plan.metrics = std::move(config->metrics);
  plan.reads_answers = config->reads_answers;
  return Planned{std::move(plan), std::move(config->problems)};
}

}  // namespace sluice::cli

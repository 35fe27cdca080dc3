// An InferencePool and what is for it, from files or a cluster: what `sluice picker -f` and `--kubernetes`
// serve.
//
// Threads: one at a time.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.h"
#include "base/problem.h"
#include "source/source.h"
#include "translate/inference_pool.h"

namespace sluice::cli {

class PoolFiles {
 public:
  // `wanted`: "name", of namespace default, or "namespace/name"; empty: the only one that there is.
  explicit PoolFiles(std::string_view wanted);

  // The kinds that count.
  static std::set<GroupKind> kinds();
  // Nobody else's objects count: Gateways and routes may stand in the same files.
  void apply(const source::Batch& batch);

  struct Planned {
    translate::PickerPlan plan;
    std::vector<Problem> problems;  // of the EndpointPickerConfig that the pool names
  };
  // What the pool's picker is told; or why nobody knows which pool is meant.
  std::expected<Planned, Problem> plan() const;

 private:
  template <typename T>
  using Objects = std::map<NamespacedName, std::shared_ptr<const T>>;

  const std::string wanted_;
  Objects<api::InferencePool> pools_;
  Objects<api::Pod> pods_;
  Objects<api::InferenceObjective> objectives_;
  Objects<api::InferenceModelRewrite> rewrites_;
  Objects<api::ConfigMap> config_maps_;
};

}  // namespace sluice::cli

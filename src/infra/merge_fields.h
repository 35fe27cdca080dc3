// How the lists of Kubernetes' own types go together in strategic merge patches: by which members their items
// are the same.
//
// Threads: constants.
#pragma once

#include <span>
#include <string_view>

#include "patch/strategic_merge.h"

namespace sluice::infra {

// Of an object of this kind, as in the tags `patchStrategy` and `patchMergeKey` of k8s.io/api v0.36:
// Deployment, DaemonSet, Service, HorizontalPodAutoscaler, PodDisruptionBudget.
std::span<const patch::MergeField> merge_fields_of(std::string_view kind);

}  // namespace sluice::infra

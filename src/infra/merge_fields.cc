#include "infra/merge_fields.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::infra {
namespace {

using patch::MergeField;
using enum MergeField::How;

constexpr MergeField kContainer[] = {
    {.name = "env", .key = "name"},
    {.name = "ports", .key = "containerPort"},
    {.name = "volumeDevices", .key = "devicePath"},
    {.name = "volumeMounts", .key = "mountPath"},
};

constexpr MergeField kPodSpec[] = {
    {.name = "containers", .key = "name", .fields = kContainer},
    {.name = "ephemeralContainers", .key = "name", .fields = kContainer},
    {.name = "hostAliases", .key = "ip"},
    {.name = "imagePullSecrets", .key = "name"},
    {.name = "initContainers", .key = "name", .fields = kContainer},
    {.name = "resourceClaims", .key = "name"},
    {.name = "schedulingGates", .key = "name"},
    {.name = "topologySpreadConstraints", .key = "topologyKey"},
    {.name = "volumes", .key = "name"},
};

constexpr MergeField kMetadata[] = {
    {.name = "finalizers"},
    {.name = "ownerReferences", .key = "uid"},
};
constexpr MergeField kOfMetadata = {.name = "metadata", .fields = kMetadata};

constexpr MergeField kPodTemplate[] = {kOfMetadata, {.name = "spec", .fields = kPodSpec}};
constexpr MergeField kWorkloadSpec[] = {{.name = "template", .fields = kPodTemplate}};
constexpr MergeField kWorkload[] = {kOfMetadata, {.name = "spec", .fields = kWorkloadSpec}};

constexpr MergeField kServiceSpec[] = {{.name = "ports", .key = "port"}};
constexpr MergeField kService[] = {kOfMetadata, {.name = "spec", .fields = kServiceSpec}};

constexpr MergeField kBudgetSpec[] = {{.name = "selector", .how = kReplace}};
constexpr MergeField kBudget[] = {kOfMetadata, {.name = "spec", .fields = kBudgetSpec}};

constexpr MergeField kAutoscaler[] = {kOfMetadata};

constexpr std::pair<std::string_view, std::span<const MergeField>> kKinds[] = {
    {"Deployment", kWorkload},
    {"DaemonSet", kWorkload},
    {"Service", kService},
    {"HorizontalPodAutoscaler", kAutoscaler},
    {"PodDisruptionBudget", kBudget},
};

}  // namespace

std::span<const MergeField> merge_fields_of(std::string_view kind) {
  const auto* const found =
      std::ranges::find(kKinds, kind, &std::pair<std::string_view, std::span<const MergeField>>::first);
  return found == std::end(kKinds) ? std::span<const MergeField>() : found->second;
}

}  // namespace sluice::infra

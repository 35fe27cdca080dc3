#include "infra/merge_fields.h"

#include <cstddef>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "patch/strategic_merge.h"

namespace sluice::infra {
namespace {

using nlohmann::json;

// Random patches of random Deployments, and what strategicpatch.StrategicMergePatch of k8s.io/apimachinery
// v0.36 made of them; null where it refused.
TEST(MergeFields, MakePatchesDoWhatKubernetesDoes) {
  const std::optional<std::string> text = read_file("src/infra/recorded/strategic_merges.json");
  ASSERT_TRUE(text);
  std::size_t refused = 0;
  for (const json& recorded : json::parse(*text)) {
    json document = recorded["doc"];
    const auto merged =
        patch::merge_strategically(recorded["patch"], merge_fields_of("Deployment"), document);
    refused += merged ? 0 : 1;
    EXPECT_EQ(merged ? document : json(), recorded["result"]) << recorded["doc"] << '\n' << recorded["patch"];
  }
  EXPECT_GT(refused, 0U);
}

TEST(MergeFields, AreThereForEachKindWithAPatch) {
  for (const char* const kind :
       {"Deployment", "DaemonSet", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}) {
    EXPECT_FALSE(merge_fields_of(kind).empty()) << kind;
  }
}

}  // namespace
}  // namespace sluice::infra

#include "picker/model_rewrites.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

TEST(ModelRewrites, WithoutRulesAModelStaysAsItIs) {
  ModelRewrites none;
  EXPECT_EQ(none.next("llama"), "");
}

TEST(ModelRewrites, TheFirstRuleThatNamesTheModelCounts) {
  ModelRewrites rewrites({{.models = {"chat", "chat-beta"}, .targets = {{.model = "llama"}}},
                          {.models = {"chat"}, .targets = {{.model = "qwen"}}},
                          {.models = {}, .targets = {{.model = "other"}}}});
  EXPECT_EQ(rewrites.next("chat"), "llama");
  EXPECT_EQ(rewrites.next("chat-beta"), "llama");
  EXPECT_EQ(rewrites.next("chat-"), "other");
}

TEST(ModelRewrites, TargetsShareRequestsByWeightAndTakeTurns) {
  ModelRewrites rewrites(
      {{.models = {}, .targets = {{.model = "a", .weight = 90}, {.model = "b", .weight = 10}}}});
  std::map<std::string, int> of;
  for (int i = 0; i < 10; ++i) ++of[rewrites.next("x")];
  EXPECT_EQ(of["a"], 9);
  EXPECT_EQ(of["b"], 1);
  for (int i = 0; i < 990; ++i) ++of[rewrites.next("x")];
  EXPECT_EQ(of["a"], 900);
  EXPECT_EQ(of["b"], 100);
}

TEST(ModelRewrites, ARuleWithoutWeightIsNone) {
  ModelRewrites rewrites(
      {{.models = {}, .targets = {{.model = "a", .weight = 0}}}, {.models = {}, .targets = {}}});
  EXPECT_EQ(rewrites.next("x"), "");
}

}  // namespace
}  // namespace sluice::picker

#include "api/annotations.h"

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/kinds.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

// What is said of an InferencePool with these annotations: "line:column path: message; suggestion", each on a
// line.
std::string said(std::string_view annotations) {
  const std::string text = fmt::format(
      "apiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata:\n  name: a\n"
      "  annotations: {{{}}}\nspec: {{selector: {{matchLabels: {{a: b}}}}, targetPorts: [{{number: 1}}]}}\n",
      annotations);
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << text;
  std::string all;
  for (const Problem& problem : read_object(documents.at(0).tree, Trust::kCheck).problems) {
    EXPECT_EQ(problem.code, "value/annotation");
    EXPECT_EQ(problem.severity, Severity::kWarning);
    all += fmt::format("{}:{} {}: {}; {}\n", problem.where.line, problem.where.column, problem.path,
                       problem.message, problem.suggestion);
  }
  return all;
}

TEST(Annotations, OfOursAreFine) {
  EXPECT_EQ(said("sluice.dev/picker: inside-envoy, sluice.dev/picker-config: decide"), "");
}

TEST(Annotations, OfOthersAreTheirBusiness) { EXPECT_EQ(said("example.com/picker: a, pickr: b"), ""); }

TEST(Annotations, ThatAreMisspeltAreToldWithTheNearest) {
  EXPECT_EQ(
      said("sluice.dev/pikcer: inside-envoy"),
      "5:17 metadata.annotations[sluice.dev/pikcer]: there is no annotation `sluice.dev/pikcer`: it has "
      "no effect; did you mean `sluice.dev/picker`?\n");
}

TEST(Annotations, ThatAreNothingLikeOursAreToldWithoutASuggestion) {
  EXPECT_EQ(
      said("sluice.dev/anything: a"),
      "5:17 metadata.annotations[sluice.dev/anything]: there is no annotation `sluice.dev/anything`: it "
      "has no effect; \n");
}

TEST(Annotations, OfAnotherKindHaveNoEffect) {
  EXPECT_EQ(
      said("sluice.dev/wasm-body-behind-held-headers: 'true'"),
      "5:17 metadata.annotations[sluice.dev/wasm-body-behind-held-headers]: "
      "`sluice.dev/wasm-body-behind-held-headers` is for EnvoyExtensionPolicies: it has no effect here; "
      "remove it\n");
}

}  // namespace
}  // namespace sluice::api

#include "schema/effect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tree/parse.h"

namespace sluice::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Rule {
  std::string path;
  std::int32_t retries = 0;
};
struct Spec {
  std::vector<Rule> rules;
  std::string name;
  std::optional<Tree> patches;
};

Type rule() {
  return object({field<&Rule::path>("path", string()),
                 field<&Rule::retries>("retries", int32()).ineffective(),
                 field("cache", object({field("size", int32())}))});
}
Type spec() {
  return object({field<&Spec::rules>("rules", list(rule())), field<&Spec::name>("name", string()),
                 field("kubernetes", any()).passive(), field("addresses", list(string())),
                 field<&Spec::patches>("patches", list(object({field("op", string())})))});
}

std::vector<std::string> found(const std::string& text, const Type& type, Writer writer = Writer::kUser) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "t.yaml", &problems);
  EXPECT_TRUE(problems.empty());
  report_ineffective(documents.at(0).tree, type, &problems, writer);
  std::vector<std::string> paths;
  for (const Problem& problem : problems) {
    EXPECT_EQ(problem.code, "support/no-effect");
    EXPECT_EQ(problem.severity, Severity::kWarning);
    EXPECT_NE(problem.where.line, 0U);
    paths.push_back(problem.path);
  }
  return paths;
}

TEST(Effect, FieldsWithoutAMemberAndThoseMarkedAreReportedOnceEach) {
  EXPECT_THAT(found("rules:\n- {path: /, retries: 3}\n- {cache: {size: 1}}\naddresses: [a, b]\n", spec()),
              ElementsAre("rules[0].retries", "rules[1].cache", "addresses"));
}

TEST(Effect, WhatIsBoundOrAbsentOrPassiveIsNot) {
  EXPECT_THAT(found("name: x\nrules: [{path: /}]\nkubernetes: {a: b}\naddresses: null\n", spec()), IsEmpty());
  EXPECT_THAT(found("rules: [{retries: 3}]\naddresses: [a]\n", spec().passive()), IsEmpty());
}

TEST(Effect, WhatIsBelowATreeThatIsBoundIsBoundWithIt) {
  EXPECT_THAT(found("patches: [{op: add}]\n", spec()), IsEmpty());
}

TEST(Effect, ADefaultIsReportedOfAUserAndNotOfAServer) {
  const auto type = [] { return object({field("mode", string()).defaults_to("Soft")}); };
  EXPECT_THAT(found("mode: Soft\n", type(), Writer::kUser), ElementsAre("mode"));
  EXPECT_THAT(found("mode: Soft\n", type(), Writer::kServer), IsEmpty());
  EXPECT_THAT(found("mode: Hard\n", type(), Writer::kServer), ElementsAre("mode"));
}

TEST(Effect, SaysWhatItIsAndWhere) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse("name: x\naddresses: [a]\n", "t.yaml", &problems);
  report_ineffective(documents.at(0).tree, spec(), &problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].message, "`addresses` is checked, but has no effect yet");
  EXPECT_EQ(problems[0].where.line, 2U);
}

}  // namespace
}  // namespace sluice::schema

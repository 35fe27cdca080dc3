#include "schema/deprecation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tree/parse.h"

namespace sluice::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Type spec() {
  const Type target =
      object({field("name", string()), field("port", int32()), field("tags", list(string()))});
  return object({field("target", target).deprecated("targets"), field("targets", list(target)),
                 field("mode", string()).deprecated("modes"), field("modes", string()),
                 field("token", string().secret()).deprecated("tokens"), field("tokens", string())});
}

// "line:column path: message (suggestion)" of each warning.
std::vector<std::string> found(const std::string& text, const Type& type) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "t.yaml", &problems);
  EXPECT_TRUE(problems.empty());
  report_deprecated(documents.at(0).tree, type, &problems);
  std::vector<std::string> texts;
  for (const Problem& problem : problems) {
    EXPECT_EQ(problem.code, "support/deprecated-field");
    EXPECT_EQ(problem.severity, Severity::kWarning);
    texts.push_back(fmt::format("{}:{} {}: {} ({})", problem.where.line, problem.where.column, problem.path,
                                problem.message, problem.suggestion));
  }
  return texts;
}

TEST(Deprecation, SaysWhatToWriteInsteadWithTheValueThatIsThere) {
  EXPECT_THAT(found("target:\n  name: web\n  port: 80\n", spec()),
              ElementsAre("1:1 target: `target` is deprecated: `targets` replaces it "
                          "(write `targets: [{name: web, port: 80}]`)"));
  EXPECT_THAT(found("mode: fast\n", spec()),
              ElementsAre("1:1 mode: `mode` is deprecated: `modes` replaces it (write `modes: fast`)"));
}

TEST(Deprecation, QuotesWhatWouldBeAnotherValueWithoutQuotes) {
  EXPECT_THAT(found("target: {name: 'yes', tags: [a b, '1', c/d.e]}\n", spec()),
              ElementsAre("1:1 target: `target` is deprecated: `targets` replaces it "
                          "(write `targets: [{name: \"yes\", tags: [\"a b\", \"1\", c/d.e]}]`)"));
}

TEST(Deprecation, WhoHasBothIsToldToJoinThem) {
  EXPECT_THAT(found("target: {name: a}\ntargets: [{name: b}]\n", spec()),
              ElementsAre("1:1 target: `target` is deprecated: `targets` replaces it "
                          "(write it as an item of `targets`)"));
}

TEST(Deprecation, ShowsNoSecretAndNothingLongOrUnreadable) {
  EXPECT_THAT(found("mode: \"a\\x7Fb\"\n", spec()),
              ElementsAre("1:1 mode: `mode` is deprecated: `modes` replaces it (write `modes`)"));
  EXPECT_THAT(found("token: abc\n", spec()),
              ElementsAre("1:1 token: `token` is deprecated: `tokens` replaces it (write `tokens`)"));
  EXPECT_THAT(found("mode: " + std::string(200, 'a') + "\n", spec()),
              ElementsAre("1:1 mode: `mode` is deprecated: `modes` replaces it (write `modes`)"));
}

TEST(Deprecation, FindsThemBelowListsAndMapsAndNotWhereTheyAreAbsent) {
  const Type outer = object({field("items", list(spec())), field("by_name", map(spec()))});
  EXPECT_THAT(
      found("items: [{mode: a}]\nby_name: {x: {mode: b}}\n", outer),
      ElementsAre("1:10 items[0].mode: `mode` is deprecated: `modes` replaces it (write `modes: a`)",
                  "2:15 by_name.x.mode: `mode` is deprecated: `modes` replaces it (write `modes: b`)"));
  EXPECT_THAT(found("targets: [{name: a}]\nmode: null\n", spec()), IsEmpty());
}

TEST(Deprecation, IsToldWhateverElseIsWrong) {
  EXPECT_THAT(found("target: [a, {name: b}]\ntargets: text\nmode: {a: b}\n", spec()),
              ElementsAre("1:1 target: `target` is deprecated: `targets` replaces it "
                          "(write it as an item of `targets`)",
                          "3:1 mode: `mode` is deprecated: `modes` replaces it (write `modes: {a: b}`)"));
}

}  // namespace
}  // namespace sluice::schema

// Every rule of the declared kinds says yes to one value and no to another: test/schema/rules.yaml.

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "api/kinds.h"
#include "schema/cel/cel.h"
#include "schema/check.h"
#include "schema/type.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

using schema::Field;
using schema::Rule;
using schema::Type;

struct Found {
  const Type* type;
  const Rule* rule;
};

// By the rule's text, the first place where it stands.
void collect(const Type& type, std::map<std::string, Found>* found) {
  for (const Rule& rule : type.rules) {
    if (!rule.cel.empty()) found->insert({rule.cel, {&type, &rule}});
  }
  for (const Field& field : type.fields) collect(*field.type, found);
  if (type.item != nullptr) collect(*type.item, found);
}

std::map<std::string, Found> declared_rules() {
  std::map<std::string, Found> found;
  for (const KindInfo& kind : kinds()) {
    for (const std::string_view version : kind.versions) collect(type_of(kind, version), &found);
  }
  return found;
}

std::vector<Tree> table() {
  std::ostringstream text;
  text << std::ifstream("test/schema/rules.yaml").rdbuf();
  const std::string content = text.str();
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(content, "rules.yaml", &problems);
  EXPECT_TRUE(problems.empty());
  return documents.size() == 1 ? documents[0].tree.items() : std::vector<Tree>();
}

TEST(Rules, SayYesAndNo) {
  const std::map<std::string, Found> rules = declared_rules();
  std::set<std::string> tested;
  for (const Tree& row : table()) {
    const std::string& text = row.find("rule")->as_string();
    const auto found = rules.find(text);
    if (found == rules.end()) continue;  // of a kind that is not declared
    const auto& [type, rule] = found->second;
    tested.insert(text);

    const Tree& good = *row.find("passes");
    std::vector<Problem> problems;
    EXPECT_TRUE(schema::check(good, *type, &problems))
        << text << ": " << problems[0].path << problems[0].message;
    EXPECT_TRUE(rule->program->evaluate(schema::Value(&good, type)).holds) << text;

    const Tree& bad = *row.find("fails");
    problems.clear();
    EXPECT_FALSE(schema::check(bad, *type, &problems)) << text;
    const schema::cel::Verdict verdict = rule->program->evaluate(schema::Value(&bad, type));
    EXPECT_FALSE(verdict.holds) << text;
    // Some rules ask for a member that may be absent, and break by that.
    EXPECT_TRUE(verdict.error.empty() || verdict.error.starts_with("there is no `")) << text << verdict.error;
    // What limits and patterns refuse does not come to rules.
    const std::set<std::string> before_rules{"schema/enum", "schema/pattern", "schema/duplicate"};
    bool is_reported = false;
    for (const Problem& problem : problems) {
      is_reported =
          is_reported || problem.message.starts_with(rule->message) || before_rules.contains(problem.code);
    }
    EXPECT_TRUE(is_reported) << text;
  }
  for (const auto& [text, found] : rules) {
    EXPECT_TRUE(tested.contains(text) || found.rule->program->is_transition())
        << "add to test/schema/rules.yaml: " << text;
  }
  EXPECT_GT(tested.size(), 80u);
}

TEST(Rules, AreInTheListOfProblems) {
  std::ostringstream text;
  text << std::ifstream("docs/problems.md").rdbuf();
  for (const auto& [rule, found] : declared_rules()) {
    if (found.rule->program->is_transition()) continue;
    EXPECT_NE(text.str().find("`schema/" + found.rule->name + "`"), std::string::npos)
        << "add to docs/problems.md: schema/" << found.rule->name;
  }
}

}  // namespace
}  // namespace sluice::api

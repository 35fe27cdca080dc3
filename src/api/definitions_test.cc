#include "api/definitions.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::api {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

TEST(Definitions, ReferencePagesAreCurrent) {
  constexpr const char* kAdvice = " is not what `make golden` writes";
  const std::filesystem::path folder = "docs/reference";
  std::set<std::string> expected{"README.md"};
  for (const KindInfo& kind : kinds()) {
    const std::string name = lower(kind.kind) + ".md";
    expected.insert(name);
    EXPECT_TRUE(read(folder / name) == reference_page_of(kind)) << name << kAdvice;
  }
  EXPECT_TRUE(read(folder / "README.md") == reference_index(kinds())) << "README.md" << kAdvice;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_TRUE(expected.contains(entry.path().filename())) << entry.path() << " is of no kind";
  }
}

TEST(Definitions, AreReadAsTheyAreWritten) {
  for (const KindInfo& kind : kinds()) {
    const Tree definition = custom_resource_definition(kind);
    std::vector<Problem> problems;
    const std::vector<Document> documents = parse(to_yaml(definition), "", &problems);
    if (plural_of(kind).empty()) continue;
    ASSERT_TRUE(problems.empty()) << kind.kind << ": " << problems[0].message;
    ASSERT_EQ(documents.size(), 1u);
    EXPECT_TRUE(documents[0].tree == definition) << kind.kind;
  }
}

TEST(Definitions, EveryKindHasANameInPaths) {
  for (const KindInfo& kind : kinds()) {
    const std::string_view name = resource_name_of(kind);
    EXPECT_EQ(kind_called(name), &kind) << kind.kind;
    EXPECT_TRUE(plural_of(kind).empty() || plural_of(kind) == name) << kind.kind;
  }
  EXPECT_EQ(resource_name_of(*kind_called("EndpointSlice")), "endpointslices");
}

TEST(Definitions, AKindIsCalledAsKubectlCallsIt) {
  for (const KindInfo& kind : kinds()) {
    std::vector<std::string> words{std::string(kind.kind), lower(kind.kind)};
    if (!kind.group.empty()) words.push_back(fmt::format("{}.{}", kind.kind, kind.group));
    if (!plural_of(kind).empty()) words.emplace_back(plural_of(kind));
    for (const std::string& word : words) EXPECT_EQ(kind_called(word), &kind) << word;
  }
  const auto name = [](std::string_view word) {
    const KindInfo* const kind = kind_called(word);
    return kind == nullptr ? "" : kind->kind;
  };
  EXPECT_EQ(name("HTTPRoutes"), "HTTPRoute");
  EXPECT_EQ(name("httproutes.gateway.networking.k8s.io"), "HTTPRoute");
  EXPECT_EQ(name("backendtlspolicies"), "BackendTLSPolicy");
  EXPECT_EQ(name("gc"), "GatewayClass");
  EXPECT_EQ(name("gtw"), "Gateway");
  EXPECT_EQ(name("be"), "Backend");
  EXPECT_EQ(name("svc"), "Service");
  EXPECT_EQ(name("configmaps"), "ConfigMap");
  for (const char* none : {"", "routes", "httproute.", "httproutes.example.com"})
    EXPECT_EQ(name(none), "") << none;
}

TEST(Definitions, OneSchemaForFilesOfAllKinds) {
  const Tree schema = json_schema_of(kinds());
  const Tree* const choices = schema.find("allOf");
  ASSERT_NE(choices, nullptr);
  for (const KindInfo& kind : kinds()) {
    for (const std::string_view version : kind.versions) {
      const auto fits = [&](const Tree& choice) {
        const std::vector<Tree>& versions = choice.at("if.properties.apiVersion.enum")->items();
        return choice.at("if.properties.kind.const")->as_string() == kind.kind &&
               std::ranges::find(versions, Tree::string(kind.api_version(version))) != versions.end();
      };
      EXPECT_EQ(std::ranges::count_if(choices->items(), fits), 1) << kind.kind << " " << version;
    }
  }
}

}  // namespace
}  // namespace sluice::api

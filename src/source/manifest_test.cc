#include "source/manifest.h"

#include <algorithm>
#include <functional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "source/testing.h"

namespace sluice::source {
namespace {

std::string many(std::size_t count, const std::function<std::string(std::size_t)>& document) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : "---\n") + document(i);
  return text;
}

std::size_t bound(const Manifest& manifest) {
  return static_cast<std::size_t>(
      std::ranges::count_if(manifest.objects, [](const Manifest::Object& o) { return o.bound.has_value(); }));
}

// Every other object is bad, a warning at the end.
Manifest half_bad(std::size_t bad) {
  const std::string text = many(2 * bad, [](std::size_t i) {
    return i % 2 == 0 ? bad_config_map(fmt::format("a{}", i)) : config_map(fmt::format("a{}", i));
  });
  return read_manifest(text + "---\napiVersion: a.b/v1\nkind: Other\nmetadata: {name: a}\n", "a.yaml");
}

TEST(Manifest, TellsOfSomeProblemsAndThatThereAreMore) {
  const Manifest few = half_bad(kMaxProblems - 1);
  EXPECT_EQ(few.problems.size(), kMaxProblems);
  EXPECT_EQ(few.problems.back().code, "support/unknown-kind");

  const Manifest many = half_bad(2 * kMaxProblems);
  ASSERT_EQ(many.problems.size(), kMaxProblems + 1);
  EXPECT_EQ(many.problems[kMaxProblems - 1].code, "schema/wrong-type");
  const Problem& last = many.problems.back();
  EXPECT_EQ(last.code, "schema/many-problems");
  EXPECT_EQ(last.severity, Severity::kError);
  EXPECT_EQ(last.object, config_map_key(fmt::format("a{}", 2 * kMaxProblems)));
  EXPECT_EQ(last.where.file, "a.yaml");
  EXPECT_EQ(last.where.line, 14 * kMaxProblems + 6);
}

TEST(Manifest, WarnsOfMoreWhereAllOfThemAreWarnings) {
  const Manifest manifest = half_bad(kMaxProblems);
  ASSERT_EQ(manifest.problems.size(), kMaxProblems + 1);
  EXPECT_EQ(manifest.problems.back().code, "schema/many-problems");
  EXPECT_EQ(manifest.problems.back().severity, Severity::kWarning);
}

TEST(Manifest, RefusesObjectsOfWhoseProblemsItDoesNotTell) {
  const Manifest manifest = half_bad(2 * kMaxProblems);
  EXPECT_FALSE(manifest.broken);
  EXPECT_EQ(manifest.objects.size(), 4 * kMaxProblems);
  EXPECT_EQ(bound(manifest), 2 * kMaxProblems);
}

TEST(Manifest, IsNotReadToItsEndWhereNearlyAllOfItIsNoYaml) {
  const std::string text = many(3 * kMaxBadDocuments, [](std::size_t i) {
    return i < 2 * kMaxBadDocuments ? "a: [\n" : config_map(fmt::format("a{}", i));
  });
  const Manifest manifest = read_manifest(text, "a.yaml");
  EXPECT_EQ(manifest.problems.size(), kMaxBadDocuments);
  EXPECT_TRUE(manifest.broken);
  EXPECT_TRUE(manifest.objects.empty());
}

// A policy of a module with this digest, and a field of it besides.
std::string policy(const std::string& digest, const std::string& field) {
  return "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {name: "
         "p}\nspec:\n"
         "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}]\n"
         "  wasm: [{code: {type: HTTP, http: {url: 'https://a.example/m', sha256: '" +
         digest + "'" + field + "}}}]\n";
}

TEST(Manifest, AnObjectIsThereWithAValueThatNobodyCanUse) {
  const Manifest manifest = read_manifest(policy("12", ""), "a.yaml");
  ASSERT_FALSE(manifest.problems.empty());
  EXPECT_EQ(manifest.problems[0].code, "value/sha256");
  ASSERT_EQ(manifest.objects.size(), 1U);
  EXPECT_TRUE(manifest.objects[0].bound.has_value());
}

TEST(Manifest, AnObjectOfAnotherFormHasItsPlaceAndNoVersion) {
  const Manifest manifest = read_manifest(policy("12", ", colour: red"), "a.yaml");
  ASSERT_EQ(manifest.objects.size(), 1U);
  EXPECT_EQ(manifest.objects[0].key.name.name, "p");
  EXPECT_FALSE(manifest.objects[0].bound.has_value());
}

}  // namespace
}  // namespace sluice::source

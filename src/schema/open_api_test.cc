#include "schema/open_api.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "schema/type.h"
#include "tree/write.h"

namespace sluice::schema {
namespace {

constexpr Pattern kWord{"^[a-z]+$", "a word"};

std::string schema_of(Type type) {
  return to_json(open_api(object({field("a", std::move(type))})).find("properties")->members()[0].value);
}

TEST(OpenApi, FormsAndWordsStandBesideTheType) {
  EXPECT_EQ(schema_of(string().matches(kWord)), R"({"pattern":"^[a-z]+$","type":"string"})");
  EXPECT_EQ(schema_of(enumeration({"x", "y"})), R"({"enum":["x","y"],"type":"string"})");
}

TEST(OpenApi, WhatAllOfSaysStandsNowhereElse) {
  const Tree words = Tree::list({Tree::string("x"), Tree::string("y")});
  const Tree twice = Tree::list(
      {Tree::map({{.key = "enum", .value = words}}), Tree::map({{.key = "enum", .value = words}})});
  EXPECT_EQ(schema_of(enumeration({"x", "y"}).where(Tree::map({{.key = "allOf", .value = twice}}))),
            R"({"type":"string","allOf":[{"enum":["x","y"]},{"enum":["x","y"]}]})");
  const Tree forms = Tree::list({Tree::map({{.key = "pattern", .value = Tree::string("^[a-z]+$")}}),
                                 Tree::map({{.key = "pattern", .value = Tree::string("^[a-z0-9]+$")}})});
  EXPECT_EQ(schema_of(string().matches(kWord).where(Tree::map({{.key = "allOf", .value = forms}}))),
            R"({"type":"string","allOf":[{"pattern":"^[a-z]+$"},{"pattern":"^[a-z0-9]+$"}]})");
}

TEST(OpenApi, WhatAllOfDoesNotSayStays) {
  const Tree forms = Tree::list({Tree::map({{.key = "pattern", .value = Tree::string("^[a-z]+$")}})});
  EXPECT_EQ(schema_of(enumeration({"x", "y"}).where(Tree::map({{.key = "allOf", .value = forms}}))),
            R"({"enum":["x","y"],"type":"string","allOf":[{"pattern":"^[a-z]+$"}]})");
}

}  // namespace
}  // namespace sluice::schema

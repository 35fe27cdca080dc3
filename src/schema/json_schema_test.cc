#include "schema/json_schema.h"

#include <gtest/gtest.h>

#include "tree/write.h"

namespace sluice::schema {
namespace {

constexpr Pattern kWord{"^[a-z]+$", "a word"};
constexpr Pattern kAnyCase{"^(?i)[a-z]+$", "a word in any case"};

Type root(Field spec) {
  return object({
                    field("apiVersion", string()).doc("The version."),
                    field("kind", string()),
                    std::move(spec).required(),
                })
      .doc("A sample.");
}

std::string schema_of(Field only) {
  const Type type = object({std::move(only)});
  const Tree schema = json_schema({{.kind = "Sample", .api_versions = {"v1"}, .type = &type}});
  return to_json(schema.find("properties")->members()[0].value);
}

TEST(JsonSchema, Fields) {
  EXPECT_EQ(schema_of(field("a", string().length(1, 5).matches(kWord)).doc("A word.")),
            R"({"description":"A word.","type":"string","pattern":"^[a-z]+$","minLength":1,"maxLength":5})");
  EXPECT_EQ(schema_of(field("a", string().matches(kAnyCase))), R"({"type":"string"})");
  EXPECT_EQ(schema_of(field("a", enumeration({"x", "y"})).defaults_to("x")),
            R"({"default":"x","type":"string","enum":["x","y"]})");
  EXPECT_EQ(schema_of(field("a", int32().at_least(0))),
            R"({"type":"integer","minimum":0,"maximum":2147483647})");
  EXPECT_EQ(schema_of(field("a", int_or_string())), R"({"type":["integer","string"]})");
  EXPECT_EQ(schema_of(field("a", list(boolean()).as_set().max_items(2))),
            R"({"type":"array","items":{"type":"boolean"},"maxItems":2,"uniqueItems":true})");
  EXPECT_EQ(
      schema_of(field("a", map(number()).keys_match(kWord))),
      R"({"type":"object","additionalProperties":{"type":"number"},"propertyNames":{"pattern":"^[a-z]+$"}})");
  EXPECT_EQ(schema_of(field("a", object({field("b", string()).required(),
                                         field("c", string()).required().defaults_to("x")}))),
            R"({"type":"object","properties":{"b":{"type":"string"},"c":{"default":"x","type":"string"}},)"
            R"("required":["b"],"additionalProperties":false})");
  EXPECT_EQ(schema_of(field("a", object({}).preserving_unknown())), R"({"type":"object","properties":{}})");
}

TEST(JsonSchema, OneKind) {
  const Type type = root(field("spec", string()));
  EXPECT_EQ(
      to_json(json_schema({{.kind = "Sample", .api_versions = {"g/v1", "g/v2"}, .type = &type}})),
      R"({"$schema":"http://json-schema.org/draft-07/schema#","description":"A sample.","type":"object",)"
      R"("properties":{"apiVersion":{"description":"The version.","type":"string","enum":["g/v1","g/v2"]},)"
      R"("kind":{"type":"string","enum":["Sample"]},"spec":{"type":"string"}},)"
      R"("required":["apiVersion","kind","spec"],"additionalProperties":false})");
}

TEST(JsonSchema, SeveralKindsAreChosenByVersionAndKind) {
  const Type one = root(field("spec", string()));
  const Type two = root(field("data", string()));
  const Tree schema = json_schema({{.kind = "One", .api_versions = {"g/v1"}, .type = &one},
                                   {.kind = "Two", .api_versions = {"v1"}, .type = &two},
                                   {.kind = "Two", .api_versions = {"g/v1"}, .type = &one}});
  EXPECT_EQ(
      to_json(*schema.find("properties")),
      R"({"apiVersion":{"type":"string","enum":["g/v1","v1"]},"kind":{"type":"string","enum":["One","Two"]}})");
  ASSERT_EQ(schema.find("allOf")->items().size(), 3u);
  EXPECT_EQ(
      to_json(*schema.at("allOf[1].if")),
      R"({"properties":{"apiVersion":{"enum":["v1"]},"kind":{"const":"Two"}},"required":["apiVersion","kind"]})");
  EXPECT_NE(schema.at("allOf[1].then.properties.data"), nullptr);
  EXPECT_NE(schema.at("allOf[2].then.properties.spec"), nullptr);
}

}  // namespace
}  // namespace sluice::schema

#include "schema/encode.h"

#include <gtest/gtest.h>

#include "schema/bind.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::schema {
namespace {

enum class Color : std::uint8_t { kRed, kGreen };

struct Part {
  std::string name = "unset";
  std::optional<std::int32_t> port;

  bool operator==(const Part&) const = default;
};

struct Whole {
  bool on = false;
  std::int32_t small = 0;
  std::int64_t big = 0;
  double ratio = 0;
  std::string text = "said";
  std::string bytes;
  std::chrono::milliseconds wait{0};
  Color color = Color::kRed;
  std::optional<Color> maybe;
  std::variant<std::int32_t, std::string> either;
  std::vector<Part> list;
  std::map<std::string, std::string, std::less<>> map{{"initial", "member"}};
  std::map<std::string, Part, std::less<>> inners;
  std::optional<Part> inner;
  Part own{.name = "own", .port = 1};  // not what an Part is elsewhere
  Part flat;
  std::string flat_text;
  std::optional<Tree> tree;
  std::vector<std::string> never_empty;

  bool operator==(const Whole&) const = default;
};

Type part_type() {
  return object({
      field<&Part::name>("name", string()),
      field<&Part::port>("port", int32()),
  });
}

Type whole_type() {
  const Type never_empty = list(string()).finished_by([](void* target) {
    auto& items = *static_cast<std::vector<std::string>*>(target);
    if (items.empty()) items.emplace_back("finished");
  });
  return object({
      field<&Whole::on>("on", boolean()),
      field<&Whole::small>("small", int32()).defaults_to(7),
      field<&Whole::big>("big", int64()),
      field<&Whole::ratio>("ratio", number()),
      field<&Whole::text>("text", string()),
      field<&Whole::bytes>("bytes", string().formatted("byte")),
      field<&Whole::wait>("wait", string()),
      field<&Whole::color>("color", enumeration({"Red", "Green"})),
      field<&Whole::maybe>("maybe", enumeration({"Red", "Green"})),
      field<&Whole::either>("either", int_or_string()),
      field<&Whole::list>("list", list(part_type())),
      field<&Whole::map>("map", map(string())),
      field<&Whole::inners>("inners", map(part_type())),
      field<&Whole::inner>("inner", part_type()),
      field<&Whole::own>("own", part_type()),
      flattened("outside", object({
                               field<&Whole::flat, &Part::port>("number", int32()),
                               field<&Whole::flat_text>("text", string()).required(),
                               field("unbound", any()),
                           })),
      field<&Whole::tree>("tree", any()),
      field<&Whole::never_empty>("neverEmpty", never_empty),
      field("unbound", any()),
  });
}

Whole bound(std::string_view text) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  Whole whole;
  EXPECT_EQ(documents.size(), 1u) << text;
  EXPECT_TRUE(schema::bind(documents[0].tree, whole_type(), &whole, &problems)) << text;
  EXPECT_TRUE(problems.empty()) << text;
  return whole;
}

std::string written(std::string_view text) { return to_json(encode(bound(text), whole_type())); }

TEST(Encode, WhatANewStructHasIsLeftOut) { EXPECT_EQ(written("{}"), R"({"small":7})"); }

// Each as written, but for "small", which has a default and is always there.
TEST(Encode, EveryKindOfMember) {
  for (const char* const text : {
           R"("on":true)",
           R"("big":8589934592)",
           R"("ratio":0.1)",
           R"("text":"")",
           R"("bytes":"AP//")",
           R"("wait":"1s5ms")",
           R"("color":"Green")",
           R"("maybe":"Red")",
           R"("either":5)",
           R"("either":"")",
           R"("list":[{"name":"a","port":80},{},{"port":0}])",
           R"("map":{})",
           R"("map":{"":"","k":"\"\\\u0001ü"})",
           R"("inners":{"x":{"port":1},"y":{}})",
           R"("inner":{})",
           R"("inner":{"name":"own"})",
           R"("own":{"name":"unset"})",
           R"("own":{"port":2})",
           R"("outside":{"number":3,"text":""})",
           R"("outside":{"text":"a"})",
           R"("tree":[1,2.5,2.0,null,{"a":[]},"x"])",
           R"("neverEmpty":["a"])",
       }) {
    const std::string document = std::string("{") + text + "}";
    const Tree tree = encode(bound(document), whole_type());
    std::vector<Problem> problems;
    const Tree expected = parse(std::string(R"({"small":7,)") + text + "}", "", &problems)[0].tree;
    EXPECT_EQ(tree, expected) << to_json(tree);
    EXPECT_EQ(bound(to_json(tree)), bound(document)) << to_json(tree);
  }
}

TEST(Encode, MembersInTheOrderOfTheType) {
  EXPECT_EQ(written(R"({"wait":"90s","on":true,"inner":{"port":1,"name":"n"}})"),
            R"({"on":true,"small":7,"wait":"1m30s","inner":{"name":"n","port":1}})");
}

TEST(Encode, WhatFinishMadeStays) {
  EXPECT_EQ(written("neverEmpty: []"), R"({"small":7,"neverEmpty":["finished"]})");
}

TEST(Encode, ValuesOfEnumsWithoutANameAreLeftOut) {
  Whole whole;
  whole.color = static_cast<Color>(2);
  whole.maybe = static_cast<Color>(2);
  EXPECT_EQ(to_json(encode(whole, whole_type())), R"({"small":0})");
}

}  // namespace
}  // namespace sluice::schema

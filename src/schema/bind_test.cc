#include "schema/bind.h"

#include <gtest/gtest.h>

#include "tree/parse.h"

namespace sluice::schema {
namespace {

enum class Color : std::uint8_t { kRed, kGreen };

struct Inner {
  std::string name = "unset";
  std::optional<std::int32_t> port;
};

struct Outer {
  bool on = false;
  std::int32_t small = 0;
  std::int64_t big = 0;
  double ratio = 0;
  std::string text;
  std::chrono::milliseconds wait{0};
  Color color = Color::kRed;
  std::optional<Color> maybe;
  std::variant<std::int32_t, std::string> either;
  std::vector<Inner> list;
  std::map<std::string, std::string, std::less<>> map;
  std::map<std::string, Inner, std::less<>> inners;
  std::optional<Inner> inner;
  Inner flat;
  std::optional<Tree> tree;
  int finished = 0;
};

Type inner_type() {
  return object({
      field<&Inner::name>("name", string()).defaults_to("anonymous"),
      field<&Inner::port>("port", int32()),
  });
}

Type outer_type() {
  return object({
                    field<&Outer::on>("on", boolean()),
                    field<&Outer::small>("small", int32()).defaults_to(7),
                    field<&Outer::big>("big", int64()),
                    field<&Outer::ratio>("ratio", number()),
                    field<&Outer::text>("text", string()),
                    field<&Outer::wait>("wait", string()),
                    field<&Outer::color>("color", enumeration({"Red", "Green"})).defaults_to("Green"),
                    field<&Outer::maybe>("maybe", enumeration({"Red", "Green"})),
                    field<&Outer::either>("either", int_or_string()),
                    field<&Outer::list>("list", list(inner_type())),
                    field<&Outer::map>("map", map(string())),
                    field<&Outer::inners>("inners", map(inner_type())),
                    field<&Outer::inner>("inner", inner_type()),
                    flattened("outside", object({field<&Outer::flat, &Inner::port>("number", int32())})),
                    field<&Outer::tree>("tree", any()),
                    field("unbound", any()),
                })
      .finished_by([](void* target) { ++static_cast<Outer*>(target)->finished; });
}

Tree tree_of(std::string_view text) {
  std::vector<Problem> problems;
  std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty());
  return documents.empty() ? Tree::map({}) : documents[0].tree;
}

Outer bound(std::string_view text) {
  Outer outer;
  std::vector<Problem> problems;
  EXPECT_TRUE(schema::bind(tree_of(text), outer_type(), &outer, &problems));
  EXPECT_TRUE(problems.empty());
  return outer;
}

TEST(Bind, EveryKindOfMember) {
  const Outer outer = bound(
      "on: true\nsmall: 1\nbig: 8589934592\nratio: 2\ntext: t\nwait: 1s5ms\ncolor: Red\nmaybe: "
      "Green\neither: 5\n"
      "list: [{name: a, port: 80.0}, {}]\nmap: {k: v}\ninners: {x: {port: 1}}\ninner: {}\noutside: {number: "
      "3}\n"
      "tree: [1]\nunbound: 1\nunknown: 1\n");
  EXPECT_TRUE(outer.on);
  EXPECT_EQ(outer.small, 1);
  EXPECT_EQ(outer.big, 8589934592);
  EXPECT_EQ(outer.ratio, 2);
  EXPECT_EQ(outer.text, "t");
  EXPECT_EQ(outer.wait.count(), 1005);
  EXPECT_EQ(outer.color, Color::kRed);
  EXPECT_EQ(outer.maybe, Color::kGreen);
  EXPECT_EQ(std::get<std::int32_t>(outer.either), 5);
  ASSERT_EQ(outer.list.size(), 2u);
  EXPECT_EQ(outer.list[0].name, "a");
  EXPECT_EQ(outer.list[0].port, 80);
  EXPECT_EQ(outer.list[1].name, "anonymous");
  EXPECT_EQ(outer.map.at("k"), "v");
  EXPECT_EQ(outer.inners.at("x").port, 1);
  ASSERT_TRUE(outer.inner.has_value());
  EXPECT_EQ(outer.inner->name, "anonymous");
  EXPECT_EQ(outer.flat.port, 3);
  EXPECT_EQ(outer.tree, Tree::list({Tree::integer(1)}));
  EXPECT_EQ(outer.finished, 1);
}

TEST(Bind, AbsentFieldsAndNullsTakeDefaults) {
  for (const char* const text : {"{}", "small: null\ncolor:\ninner: null\nmap:\nlist: ~\n"}) {
    const Outer outer = bound(text);
    EXPECT_EQ(outer.small, 7);
    EXPECT_EQ(outer.color, Color::kGreen);
    EXPECT_FALSE(outer.maybe.has_value());
    EXPECT_FALSE(outer.inner.has_value());
    EXPECT_FALSE(outer.flat.port.has_value());
    EXPECT_TRUE(outer.list.empty());
  }
}

TEST(Bind, WhatDoesNotFitIsAProblem) {
  for (const char* const text : {"on: 1", "small: 8589934592", "color: Blue", "list: {}", "list: [1]",
                                 "map: []", "wait: 5", "inner: x", "either: []", "text: 1"}) {
    Outer outer;
    std::vector<Problem> problems;
    EXPECT_FALSE(schema::bind(tree_of(text), outer_type(), &outer, &problems)) << text;
    ASSERT_EQ(problems.size(), 1u) << text;
    EXPECT_EQ(problems[0].code, "schema/wrong-type");
    EXPECT_EQ(problems[0].where.line, 1u);
    EXPECT_FALSE(problems[0].path.empty());
  }
}

TEST(Value, ShowsDefaults) {
  const Tree tree = tree_of("list: [{port: 1}, {name: b}]");
  const Type type = outer_type();
  const Value value(&tree, &type);
  EXPECT_EQ(value["small"].tree()->as_int(), 7);
  EXPECT_EQ(value["color"].text(), "Green");
  EXPECT_EQ(value["list"].at(0)["name"].text(), "anonymous");
  EXPECT_FALSE(value.has("inner"));
  EXPECT_FALSE(value["inner"]["name"]);
  EXPECT_TRUE(value["list"].all([](const Value& item) { return item.has("name"); }));
  EXPECT_FALSE(value["list"].all([](const Value& item) { return item.has("port"); }));
}

}  // namespace
}  // namespace sluice::schema

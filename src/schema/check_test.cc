#include "schema/check.h"

#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tree/parse.h"

namespace sluice::schema {
namespace {

constexpr Pattern kWord{"^[a-z]+$", "a word"};
constexpr Pattern kPeriod{"^[0-9]+(s|m)$", "a duration"};
constexpr Pattern kBare{"^[a-z]+$", ""};

Type sample() {
  const Type item = object({
                               field("name", string().length(1, 5).matches(kWord)).required(),
                               field("protocol", enumeration({"TCP", "UDP"})).defaults_to("TCP"),
                               field("port", int32().range(1, 65535)),
                               field("processingMode", object({field("body", string())})),
                           })
                        .with({.name = "named-rule",
                               .message = "an item named `udp` must be of protocol `UDP`",
                               .holds =
                                   [](const Value& self) {
                                     return self["name"].text() != "udp" || self["protocol"].text() == "UDP";
                                   },
                               .suggestion = "set `protocol: UDP`",
                               .blame = "name"});
  return object({
      field("title", string().max_length(3)),
      field("bare", string().matches(kBare)),
      field("period", string().matches(kPeriod)),
      field("failOpen", boolean()),
      field("items", list(item).items(1, 3).keyed_by({"name", "protocol"})),
      field("tags", list(string()).as_set()),
      field("codes", list(integer().one_of({301, 302}))),
      field("size", int_or_string()),
      field("ratio", number()),
      field("labels", map(string()).max_items(2).keys_match(kWord)),
      field("created", string().formatted("date-time")),
      field("encoded", string().formatted("byte")),
      field("anything", any()),
      field("open", object({field("known", integer())}).preserving_unknown()),
      field("password", map(string()).secret()),
      field("unset", integer().nullable()),
      field("spec", object({field("deep", object({field("timeout", string()), field("body", string())}))})),
  });
}

// "line:column path code: message (suggestion)" of each problem, one a line.
std::string problems_of(std::string_view text, const Type& type = sample()) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << text;
  EXPECT_EQ(documents.size(), 1u);
  if (documents.empty()) return "";
  const bool good = check(documents[0].tree, type, &problems);
  EXPECT_EQ(good, problems.empty());
  std::string all;
  for (const Problem& problem : problems) {
    if (!all.empty()) all += '\n';
    all += fmt::format("{}:{} {} {}: {}", problem.where.line, problem.where.column, problem.path,
                       problem.code, problem.message);
    if (!problem.suggestion.empty()) all += fmt::format(" ({})", problem.suggestion);
    for (const Related& also : problem.also) {
      all += fmt::format(" [{}:{} {}: {}]", also.where.line, also.where.column, also.path, also.message);
    }
  }
  return all;
}

TEST(Check, GoodTreesHaveNoProblems) {
  EXPECT_EQ(
      problems_of(
          "title: äöü\nfailOpen: true\nitems: [{name: a, port: 1}, {name: a, protocol: UDP, port: 80.0}]\n"
          "tags: [a, b]\ncodes: [301]\nsize: 10%\nratio: 1\nlabels: {a: b}\nanything: [{}]\nopen: {x: 1}\n"
          "created: 2026-01-31T12:00:00.5+01:00\nencoded: aGk=\nunset: null\n"),
      "");
  EXPECT_EQ(problems_of("size: 3\ntitle: null\nitems: ~\nlabels: {a: null}\n"), "");
}

TEST(Check, UnknownFields) {
  EXPECT_EQ(problems_of("failedOpen: true"),
            "1:1 failedOpen schema/unknown-field: unknown field `failedOpen` (did you mean `failOpen`?)");
  EXPECT_EQ(problems_of("fail_open: true"),
            "1:1 fail_open schema/unknown-field: unknown field `fail_open` (did you mean `failOpen`?)");
  EXPECT_EQ(problems_of("a.b: true"), "1:1 [a.b] schema/unknown-field: unknown field `a.b`");
  EXPECT_EQ(problems_of("items:\n- nmae: x\n"),
            "2:3 items[0].nmae schema/unknown-field: unknown field `nmae` (did you mean `name`?)");
  EXPECT_EQ(problems_of("tag: []\ntags: []\n"),
            "1:1 tag schema/unknown-field: unknown field `tag` (did you mean `tags`?)");
}

TEST(Check, MisplacedFields) {
  EXPECT_EQ(
      problems_of("processingMode: {}\nitems: [{name: a}]\n"),
      "1:1 processingMode schema/unknown-field: unknown field `processingMode` (`processingMode` belongs one "
      "level deeper, inside `items[0]`)");
  EXPECT_EQ(problems_of("timeout: 1s"),
            "1:1 timeout schema/unknown-field: unknown field `timeout` (`timeout` belongs two levels deeper, "
            "inside "
            "`spec.deep`)");
  EXPECT_EQ(problems_of("spec: {deep: {failOpen: true}}"),
            "1:15 spec.deep.failOpen schema/unknown-field: unknown field `failOpen` (`failOpen` belongs two "
            "levels up, beside `spec`)");
  EXPECT_EQ(problems_of("spec: {deep: {}, processingMode: {}}"),
            "1:18 spec.processingMode schema/unknown-field: unknown field `processingMode` (`processingMode` "
            "belongs "
            "in `items[0]`)");
  EXPECT_EQ(
      problems_of("items: [{name: a, processingMode: {port: 1}}]"),
      "1:36 items[0].processingMode.port schema/unknown-field: unknown field `port` (`port` belongs one "
      "level up, beside `items[0].processingMode`)");
}

// What it holds is wrong wherever it stands.
TEST(Check, MisplacedFieldsAreCheckedWhereTheyStand) {
  EXPECT_EQ(
      problems_of("items: [{name: a}]\nprocessingMode: {body: 1}\n"),
      "2:1 processingMode schema/unknown-field: unknown field `processingMode` (`processingMode` belongs "
      "one level deeper, inside `items[0]`)\n"
      "2:24 processingMode.body schema/wrong-type: expected a string, found the number `1` (write it in "
      "quotes: `\"1\"`)");
}

TEST(Check, WhatStandsInAnotherPlaceIsNotMissing) {
  const Type type = object({
      field("outer", object({field("code", object({field("url", string()).required()})).required()})),
      field("key", string()).required(),
      field("list", list(object({field("item", string())}))),
  });
  // Deeper, where the object that it belongs in is missing, too.
  EXPECT_EQ(problems_of("key: a\nouter: {url: a}\n", type),
            "2:9 outer.url schema/unknown-field: unknown field `url` (`url` belongs one level deeper, inside "
            "`code`)");
  // Further out, which is checked later.
  EXPECT_EQ(problems_of("list: [{key: a}]\n", type),
            "1:9 list[0].key schema/unknown-field: unknown field `key` (`key` belongs one level up, beside "
            "`list`)");
  EXPECT_EQ(problems_of("outer: {code: {}}\nkey: a\n", type),
            "1:9 outer.code.url schema/required: missing field `url` in `outer.code`");
}

TEST(Check, MissingFieldsSayWhatToAdd) {
  const Type type = object(
      {field("kind", string()).required("add `kind: Secret`"), field("op", enumeration({"Patch"})).required(),
       field("mode", enumeration({"A", "B"})).required(), field("name", string()).required()});
  EXPECT_EQ(problems_of("{}", type),
            "1:1 kind schema/required: missing field `kind` (add `kind: Secret`)\n"
            "1:1 op schema/required: missing field `op` (add `op: Patch`)\n"
            "1:1 mode schema/required: missing field `mode` (add `mode`: it is `A` or `B`)\n"
            "1:1 name schema/required: missing field `name`");
}

Type even() {
  return object({field("size", integer().with({.name = "even",
                                               .message = "the size is even",
                                               .fault =
                                                   [](const Value& self) {
                                                     return self.tree()->as_int() % 2 == 0
                                                                ? std::nullopt
                                                                : std::optional<Fault>(
                                                                      {"the size is odd", "add 1"});
                                                   }})),
                 field("outer", object({field("a", string())}))});
}

TEST(Check, FaultsOfValuesLeaveTheTreeGood) {
  std::vector<Problem> problems;
  EXPECT_TRUE(check(Tree::map({{.key = "size", .value = Tree::integer(3)}}), even(), &problems));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code, "value/even");
  EXPECT_EQ(problems[0].severity, Severity::kError);
  EXPECT_EQ(problems[0].message, "the size is odd");
  EXPECT_EQ(problems[0].suggestion, "add 1");
  EXPECT_FALSE(check(
      Tree::map({{.key = "size", .value = Tree::integer(3)}, {.key = "colour", .value = Tree::integer(3)}}),
      even(), &problems));
}

TEST(Check, FaultsOfValuesAreFoundInMisplacedFields) {
  EXPECT_EQ(
      [] {
        std::vector<Problem> problems;
        const Tree outer = Tree::map({{.key = "size", .value = Tree::integer(3)}});
        EXPECT_FALSE(check(Tree::map({{.key = "outer", .value = outer}}), even(), &problems));
        std::vector<std::string> codes;
        for (const Problem& problem : problems) codes.push_back(problem.code + " " + problem.path);
        return codes;
      }(),
      (std::vector<std::string>{"schema/unknown-field outer.size", "value/even outer.size"}));
}

TEST(Check, WrongTypes) {
  EXPECT_EQ(
      problems_of("title: 12"),
      "1:8 title schema/wrong-type: expected a string, found the number `12` (write it in quotes: `\"12\"`)");
  EXPECT_EQ(problems_of("title: true"),
            "1:8 title schema/wrong-type: expected a string, found the boolean `true` (write it in quotes: "
            "`\"true\"`)");
  EXPECT_EQ(problems_of("failOpen: yes"),
            "1:11 failOpen schema/wrong-type: expected true or false, found the string `yes` (write `true`)");
  EXPECT_EQ(
      problems_of("items: [{name: a, port: '80'}]"),
      "1:25 items[0].port schema/wrong-type: expected an integer, found the string `80` (write it without "
      "quotes: `80`)");
  EXPECT_EQ(problems_of("items: [{name: a, port: 1.5}]"),
            "1:25 items[0].port schema/wrong-type: expected an integer, found the number `1.5`");
  EXPECT_EQ(problems_of("items: {name: a}"),
            "1:8 items schema/wrong-type: expected a list, found a map (put it into a list: `[{…}]`)");
  EXPECT_EQ(problems_of("tags: a"),
            "1:7 tags schema/wrong-type: expected a list, found the string `a` (write a list: `[a]`)");
  EXPECT_EQ(
      problems_of("items: a"),
      "1:8 items schema/wrong-type: expected a list, found the string `a` (write a list: `[{name: a}]`)");
  EXPECT_EQ(
      problems_of("items: [a]"),
      "1:9 items[0] schema/wrong-type: expected a map of fields, found the string `a` (write `{name: a}`)");
  EXPECT_EQ(problems_of("period: 10"),
            "1:9 period schema/wrong-type: expected a string, found the number `10` (write `10s`)");
  EXPECT_EQ(problems_of("period: '10'"),
            "1:9 period schema/pattern: invalid value `10`: expected a duration (did you mean `10s`?)");
  EXPECT_EQ(problems_of("period: 1.5"),
            "1:9 period schema/wrong-type: expected a string, found the number `1.5`");
  EXPECT_EQ(problems_of("spec:\n- deep: {}\n"),
            "2:1 spec schema/wrong-type: expected a map of fields, found a list (remove the `- `)");
  EXPECT_EQ(problems_of("tags: [null]"), "1:8 tags[0] schema/wrong-type: expected a string, found nothing");
  EXPECT_EQ(problems_of("size: []"),
            "1:7 size schema/wrong-type: expected an integer or a string, found a list");
  EXPECT_EQ(problems_of("[]"), "1:1  schema/wrong-type: expected a map of fields, found a list");
}

TEST(Check, Values) {
  EXPECT_EQ(problems_of("items: [{name: a, protocol: tcp}]"),
            "1:29 items[0].protocol schema/enum: unknown value `tcp`: expected `TCP` or `UDP` (did you mean "
            "`TCP`?)");
  EXPECT_EQ(problems_of("codes: [300]"),
            "1:9 codes[0] schema/enum: unknown value `300`: expected `301` or `302`");
  EXPECT_EQ(problems_of("items: [{name: A}]"),
            "1:16 items[0].name schema/pattern: invalid value `A`: expected a word (did you mean `a`?)");
  EXPECT_EQ(problems_of("bare: A"),
            "1:7 bare schema/pattern: invalid value `A`: expected a match of `^[a-z]+$` (did you mean `a`?)");
  EXPECT_EQ(problems_of("bare: \"a\\n\""),
            "1:7 bare schema/pattern: invalid value `a\\n`: expected a match of `^[a-z]+$`");
  EXPECT_EQ(problems_of("labels: {A: b}"), "1:10 labels.A schema/pattern: invalid key `A`: expected a word");
  EXPECT_EQ(problems_of("items: [{name: a, port: 0}]"),
            "1:25 items[0].port schema/range: 0 is too small: at least 1 is allowed");
  EXPECT_EQ(problems_of("items: [{name: a, port: 65536}]"),
            "1:25 items[0].port schema/range: 65536 is too large: at most 65535 is allowed");
  EXPECT_EQ(problems_of("items: [{name: a, port: 1e20}]"),
            "1:25 items[0].port schema/range: the number is too large: at most 65535 is allowed");
  EXPECT_EQ(problems_of("items: [{name: a, port: -100000000000000000000}]"),
            "1:25 items[0].port schema/range: the number is too small: at least 1 is allowed");
  EXPECT_EQ(problems_of("items: [&a {name: a, prt: 1}, {<<: *a, name: b}]"),
            "1:22 items[0].prt schema/unknown-field: unknown field `prt` (did you mean `port`?)")
      << "what is written once is told once";
  EXPECT_EQ(problems_of("title: four"), "1:8 title schema/length: 4 characters, at most 3 are allowed");
  EXPECT_EQ(problems_of("items: [{name: ''}]"), "1:16 items[0].name schema/length: the value is empty");
  EXPECT_EQ(problems_of("items: []"), "1:8 items schema/items: the list is empty, at least 1 item is needed");
  EXPECT_EQ(problems_of("labels: {a: '', b: '', c: ''}"),
            "1:9 labels schema/items: 3 entries, at most 2 are allowed");
  EXPECT_EQ(problems_of("created: today"),
            "1:10 created schema/format: invalid value `today`: expected an RFC 3339 time (write it as in "
            "`2026-01-31T12:00:00Z`)");
  EXPECT_EQ(problems_of("encoded: '?'"), "1:10 encoded schema/format: the value is no base64 (encode it)");
}

TEST(Check, LongValuesAreCut) {
  EXPECT_EQ(problems_of("bare: x" + std::string(99, '1')), "1:7 bare schema/pattern: invalid value `x" +
                                                               std::string(59, '1') +
                                                               "…`: expected a match of `^[a-z]+$`");
}

TEST(Check, ControlCharactersAreSpelledOut) {
  EXPECT_EQ(problems_of(R"("a\tb\e[2J": 1)"),
            "1:1 [a\tb\x1B[2J] schema/unknown-field: unknown field `a\\tb\\x1b[2J`");
}

// What cannot be shown as it is would be copied wrong.
TEST(Check, LongValuesAreNotSuggested) {
  EXPECT_EQ(problems_of("codes: '" + std::string(100, '0') + "7'"),
            "1:8 codes schema/wrong-type: expected a list, found the string `" + std::string(60, '0') + "…`");
}

TEST(Check, Required) {
  EXPECT_EQ(problems_of("items:\n- port: 1\n"),
            "2:3 items[0].name schema/required: missing field `name` in `items[0]`");
  EXPECT_EQ(problems_of("items:\n- name: null\n"),
            "2:3 items[0].name schema/required: missing field `name` in `items[0]`");
}

TEST(Check, WhatIsMissingOfAMapIsMissedAtItsKey) {
  const Type outer =
      object({field("spec", object({field("name", string()).required(), field("port", int32())}))});
  EXPECT_EQ(problems_of("spec:\n  port: 1\n", outer),
            "1:1 spec.name schema/required: missing field `name` in `spec`");
}

TEST(Check, Duplicates) {
  EXPECT_EQ(problems_of("items:\n- name: a\n- name: a\n  protocol: TCP\n"),
            "3:3 items[1] schema/duplicate: a second item with `name` `a` and `protocol` `TCP` "
            "[2:3 items[0]: the first one is here]");
  EXPECT_EQ(
      problems_of("tags: [a, b, a]"),
      "1:14 tags[2] schema/duplicate: `a` stands twice in the list [1:8 tags[0]: the first one is here]");
}

TEST(Check, RulesRunOnValuesOfTheirTypes) {
  EXPECT_EQ(problems_of("items: [{name: udp}]"),
            "1:16 items[0].name schema/named-rule: an item named `udp` must be of protocol `UDP` (set "
            "`protocol: UDP`)");
  EXPECT_EQ(problems_of("items: [{name: udp, port: 0}]"),
            "1:27 items[0].port schema/range: 0 is too small: at least 1 is allowed\n"
            "1:16 items[0].name schema/named-rule: an item named `udp` must be of protocol `UDP` (set "
            "`protocol: UDP`)");
  EXPECT_EQ(problems_of("items: [{name: udp, port: x}]"),
            "1:27 items[0].port schema/wrong-type: expected an integer, found the string `x`");
}

TEST(Check, SecretsAreNotQuoted) {
  EXPECT_EQ(problems_of("password: {a: 12345}"),
            "1:15 password.a schema/wrong-type: expected a string, found an integer (write it in quotes)");
  EXPECT_EQ(problems_of("password: hunter"),
            "1:11 password schema/wrong-type: expected a map, found a string");
}

TEST(Check, EveryMistakeIsReported) {
  EXPECT_EQ(
      problems_of("title: 1\nfailOpen: 2\nzzz: 3\n"),
      "1:8 title schema/wrong-type: expected a string, found the number `1` (write it in quotes: `\"1\"`)\n"
      "2:11 failOpen schema/wrong-type: expected true or false, found the number `2`\n"
      "3:1 zzz schema/unknown-field: unknown field `zzz`");
}

TEST(Check, AHundredMistakesAreEnough) {
  std::string text = "tags:\n";
  for (int i = 0; i < 300; ++i) text += "- 1\n";
  for (int i = 0; i < 300; ++i) text += fmt::format("unknown{}: 1\n", i);
  const std::string all = problems_of(text);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 99);
}

TEST(Check, BrieflySaysThatSomethingIsWrongInFewWords) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse("titel: a\nbaer: b\n", "", &problems);
  EXPECT_FALSE(check(documents[0].tree, sample(), &problems, Effort::kBrief));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].message, "unknown field `titel`");
  EXPECT_EQ(problems[0].suggestion, "");
  problems.clear();
  const std::vector<Document> good = parse("title: a\n", "", &problems);
  EXPECT_TRUE(check(good[0].tree, sample(), &problems, Effort::kBrief));
}

}  // namespace
}  // namespace sluice::schema

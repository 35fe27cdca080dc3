#include "tree/parse.h"

#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using Type = Tree::Type;

std::vector<Document> parse_good(std::string_view text, std::string_view file = "a.yaml") {
  std::vector<Problem> problems;
  std::vector<Document> documents = parse(text, file, &problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.where.line << ":" << problem.where.column << ": " << problem.message << " in\n"
                  << text;
  }
  return documents;
}

Tree parse_one(std::string_view text, std::string_view file = "a.yaml") {
  std::vector<Document> documents = parse_good(text, file);
  EXPECT_EQ(documents.size(), 1u) << text;
  return documents.empty() ? Tree() : documents[0].tree;
}

// "line:column: code: message (suggestion)" of each problem, one a line.
std::string problems_of(std::string_view text, std::string_view file = "a.yaml") {
  std::vector<Problem> problems;
  parse(text, file, &problems);
  std::string all;
  for (const Problem& problem : problems) {
    EXPECT_EQ(problem.where.file, file);
    EXPECT_EQ(problem.severity, Severity::kError);
    if (!all.empty()) all += '\n';
    all +=
        fmt::format("{}:{}: {}: {}", problem.where.line, problem.where.column, problem.code, problem.message);
    if (!problem.suggestion.empty()) all += fmt::format(" ({})", problem.suggestion);
  }
  return all;
}

TEST(Parse, PlainScalars) {
  const Tree tree = parse_one(
      "null: ~\nempty:\nyes: [yes, no, on, off, y, n]\nbools: [true, True, TRUE, false, False]\n"
      "ints: [0, -7, +3, 0x1F, 0o17, 017, 9223372036854775807, -9223372036854775808]\nfloats: [1.5, -2e3, "
      ".5, "
      "9223372036854775808]\n"
      "strings: [1.2.3, 08:30, 1_000, 2026-01-31T00:00:00Z, 0x, 1e, '1', \"true\", 10Mi]\n");
  EXPECT_TRUE(tree.at("null")->is_null());
  EXPECT_TRUE(tree.at("empty")->is_null());
  for (const Tree& item : tree.at("yes")->items()) EXPECT_EQ(item.type(), Type::kString);
  for (const Tree& item : tree.at("bools")->items()) EXPECT_EQ(item.type(), Type::kBool);
  const std::vector<std::int64_t> ints = {0,
                                          -7,
                                          3,
                                          31,
                                          15,
                                          15,
                                          std::numeric_limits<std::int64_t>::max(),
                                          std::numeric_limits<std::int64_t>::min()};
  for (std::size_t i = 0; i < ints.size(); ++i) EXPECT_EQ(tree.at("ints")->items()[i].as_int(), ints[i]);
  for (const Tree& item : tree.at("floats")->items()) EXPECT_EQ(item.type(), Type::kFloat);
  EXPECT_EQ(tree.at("floats[1]")->as_float(), -2000);
  for (const Tree& item : tree.at("strings")->items()) EXPECT_EQ(item.type(), Type::kString) << item.line();
}

// As strtod and Go have it. What is too large is no number, for it would be none of JSON.
TEST(Parse, NumbersNextToZeroAreZero) {
  for (const char* file : {"a.yaml", "a.json"}) {
    std::vector<Problem> problems;
    const std::vector<Document> documents =
        parse("{\"a\": [5e-400, -5e-400, 2e-324, 4e-324]}", file, &problems);
    ASSERT_TRUE(problems.empty()) << file;
    const std::vector<Tree>& items = documents.at(0).tree.at("a")->items();
    for (const Tree& item : items) ASSERT_EQ(item.type(), Type::kFloat);
    EXPECT_EQ(items[0].as_float(), 0);
    EXPECT_EQ(items[1].as_float(), 0);
    EXPECT_TRUE(std::signbit(items[1].as_float()));
    EXPECT_EQ(items[2].as_float(), 0);
    EXPECT_GT(items[3].as_float(), 0);
  }
  EXPECT_EQ(parse_one("a: 5e-400\n").at("a")->as_float(), 0);
  EXPECT_EQ(parse_one("a: 5e400\n").at("a")->as_string(), "5e400");
  EXPECT_FALSE(problems_of("[5e400]", "a.json").empty());
}

TEST(Parse, KeysAreStrings) {
  const Tree tree = parse_one("80: a\ntrue: b\n? quoted\n: c\n'': d\n");
  EXPECT_EQ(tree.at("80")->as_string(), "a");
  EXPECT_EQ(tree.at("true")->as_string(), "b");
  EXPECT_EQ(tree.at("quoted")->as_string(), "c");
  EXPECT_EQ(tree.find("")->as_string(), "d");
}

TEST(Parse, QuotesInSingleQuotes) {
  const Tree tree = parse_one(
      "a: 'x == '''' || y'\nb: 'a''''b''''''c'\nc: ''''''\nd: 'one  \n  two''''\n\n\n   three '\n"
      "e: 'it''s'\n'f''''g': h\ni: ['''''', é, '''''ä']\n");
  EXPECT_EQ(tree.at("a")->as_string(), "x == '' || y");
  EXPECT_EQ(tree.at("b")->as_string(), "a''b'''c");
  EXPECT_EQ(tree.at("c")->as_string(), "''");
  EXPECT_EQ(tree.at("d")->as_string(), "one two''\n\nthree ");
  EXPECT_EQ(tree.at("e")->as_string(), "it's");
  EXPECT_EQ(tree.find("f''g")->as_string(), "h");
  EXPECT_EQ(tree.at("i[2]")->as_string(), "''ä");
}

// Wherever a block stands: its header is the end of a line, and its indentation counts from what it is in.
TEST(Parse, Blocks) {
  const Tree tree = parse_one(
      "a: |2 # not | this\n   x\n  y\n'b | c': >-\n x\n y\nc:\n- |1\n   x\n  y\n- - d: !!str &z| |+\n      "
      "x\n\n"
      "  - *z|\n? |-\n  k\n: &e\n  f: >\n    x\n\n     y\ng:\n  |\n  x\nh: |\n  x");
  EXPECT_EQ(tree.at("a")->as_string(), " x\ny\n");
  EXPECT_EQ(tree.find("b | c")->as_string(), "x y");
  EXPECT_EQ(tree.at("c[0]")->as_string(), "  x\n y\n");
  EXPECT_EQ(tree.at("c[1][0].d")->as_string(), "x\n\n");
  EXPECT_EQ(tree.at("c[1][1]")->as_string(), "x\n\n");
  EXPECT_EQ(tree.at("k.f")->as_string(), "x\n\n y\n");
  EXPECT_EQ(tree.at("g")->as_string(), "x\n");
  EXPECT_EQ(tree.at("h")->as_string(), "x");
  EXPECT_EQ(parse_one("--- |\n  x\n").as_string(), "x\n");
}

// libfyaml adds bytes to some that it has not written to, and does not fold the second.
TEST(Parse, QuotesOverSeveralLines) {
  const Tree tree = parse_one("a: \"\\ \n  \\\n\n\n  b\"\nc: 'd\r\n  '\n");
  EXPECT_EQ(tree.at("a")->as_string(), "  \n\nb");
  EXPECT_EQ(tree.at("c")->as_string(), "d ");
}

TEST(Parse, Tags) {
  const Tree tree =
      parse_one("a: !!str 1\nb: !!int 2\nc: !!float 3\nd: !!map {x: 1}\ne: !!seq [1]\nf: !!bool true\n");
  EXPECT_EQ(tree.at("a")->as_string(), "1");
  EXPECT_EQ(tree.at("b")->as_int(), 2);
  EXPECT_EQ(tree.at("c")->type(), Type::kFloat);
  EXPECT_EQ(tree.at("f")->type(), Type::kBool);
}

TEST(Parse, Positions) {
  const std::string text =
      "# comment\n"
      "é: ü\n"
      "list:\n"
      "- a\n"
      "- b: \"q\"\n"
      "flow: {x: [1, 'y']}\n"
      "block: |\n"
      "  text\n";
  const Tree tree = parse_one(text);
  const auto place = [&](std::string_view path) {
    const Tree* const node = tree.at(path);
    return node == nullptr ? std::tuple(0u, 0u) : std::tuple(node->line(), node->column());
  };
  EXPECT_EQ(place(""), std::tuple(2u, 1u));
  EXPECT_EQ(place("é"), std::tuple(2u, 4u));
  EXPECT_EQ(place("list"), std::tuple(4u, 1u));
  EXPECT_EQ(place("list[1]"), std::tuple(5u, 3u));
  EXPECT_EQ(place("list[1].b"), std::tuple(5u, 6u));
  EXPECT_EQ(place("flow"), std::tuple(6u, 7u));
  EXPECT_EQ(place("flow.x[1]"), std::tuple(6u, 15u));
  EXPECT_EQ(place("block"), std::tuple(7u, 1u));  // where its key stands
  EXPECT_EQ(tree.members()[2].line, 6u);
  EXPECT_EQ(tree.members()[2].column, 1u);
}

TEST(Parse, SplitsDocuments) {
  const std::vector<Document> documents = parse_good(
      "# nothing\n---\n---\na: 1\n--- # next\r\nb: |\n  -----BEGIN CERTIFICATE-----\n  ---\n  -----END "
      "CERTIFICATE-----\n---  \n# only a comment\n---\nnull\n---\nc: 3\n...\n---\nd: 4");
  ASSERT_EQ(documents.size(), 4u);
  EXPECT_EQ(documents[0].line, 4u);
  EXPECT_EQ(documents[1].line, 6u);
  EXPECT_EQ(documents[1].tree.at("b")->as_string(),
            "-----BEGIN CERTIFICATE-----\n---\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(documents[2].tree.at("c")->as_int(), 3);
  EXPECT_EQ(documents[3].tree.at("d")->line(), 18u);
}

TEST(Parse, NothingGivesNothing) {
  EXPECT_TRUE(parse_good("").empty());
  EXPECT_TRUE(parse_good("\n \n# a\n").empty());
  EXPECT_TRUE(parse_good("\xEF\xBB\xBF").empty());
  EXPECT_EQ(parse_one("\xEF\xBB\xBF"
                      "a: 1")
                .at("a")
                ->column(),
            4u);
  EXPECT_EQ(parse_one("%YAML 1.2\n---\na: 1\n").at("a")->as_int(), 1);
  EXPECT_EQ(parse_one("a: 1\r\nb: 2\r\n").at("b")->line(), 2u);
}

TEST(Parse, AnchorsAndMergeKeys) {
  const Tree tree = parse_one(
      "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none:\n  <<: *base\n  b: 9\nboth:\n  <<: [*more, "
      "*base]\n"
      "plain: *base\nscalar: [&s text, *s]\nquoted: {'<<': 1}\n");
  EXPECT_EQ(tree.at("one.a")->as_int(), 1);
  EXPECT_EQ(tree.at("one.b")->as_int(), 9);
  EXPECT_EQ(tree.at("both.b")->as_int(), 3);
  EXPECT_EQ(tree.at("both.a")->as_int(), 1);
  EXPECT_EQ(*tree.at("plain"), *tree.at("base"));
  EXPECT_EQ(tree.at("scalar[1]")->as_string(), "text");
  EXPECT_EQ(tree.at("quoted.<<")->as_int(), 1);
}

TEST(Parse, Json) {
  const std::string text =
      "{\n\t\"a\": [1, -2.5e1, true, null, \"\\ud83d\\ude00\\/\\n\\u00e9\"],\n\t\"b\": {\"c\": \"é\", \"d\": "
      "1}\n}\n";
  for (const char* const file : {"a.json", "a.yaml"}) {
    const Tree tree = parse_one(text, file);
    EXPECT_EQ(tree.at("a[0]")->as_int(), 1);
    EXPECT_EQ(tree.at("a[1]")->as_float(), -25);
    EXPECT_TRUE(tree.at("a[3]")->is_null());
    EXPECT_EQ(tree.at("a[4]")->as_string(), "😀/\né");
    EXPECT_EQ(tree.at("b.d")->line(), 3u);
    EXPECT_EQ(tree.at("b.d")->column(), 23u);
    EXPECT_EQ(tree.members()[1].column, 2u);
  }
  EXPECT_EQ(parse_good("{\"a\": 1}\n---\n{\"a\": 2}\n{\"a\": 3}\n", "a.json").size(), 3u);
  EXPECT_EQ(parse_one("{a: b, c: d}").at("c")->as_string(), "d");  // YAML all the same
  EXPECT_EQ(parse_one("a: b", "a.json").at("a")->as_string(), "b");
  EXPECT_EQ(parse_one("[1, 2]", "a.json").items().size(), 2u);
}

TEST(Parse, JsonMistakes) {
  EXPECT_EQ(problems_of("{\"a\": 1,}", "a.json"), "1:9: syntax/json: a comma before `}` (remove the comma)");
  EXPECT_EQ(problems_of("{\"a\": 1\n\"b\": 2}", "a.json"),
            "2:1: syntax/json: expected `,` or `}` in an object");
  EXPECT_EQ(problems_of("{\"a\": 'b'}", "a.json"),
            "1:7: syntax/json: a single quote begins no JSON string (use double quotes)");
  EXPECT_EQ(problems_of("{\"a\": \"b", "a.json"),
            "1:7: syntax/json: a string without its closing quote (close it with `\"`)");
  EXPECT_EQ(problems_of("{\"a\": [1, 2", "a.json"), "1:12: syntax/json: expected `,` or `]` in a list");
  EXPECT_EQ(
      problems_of("{\"a\": 01}", "a.json"),
      "1:7: syntax/json: expected a value: an object, a list, a string in double quotes, a number, true, "
      "false or null");
  EXPECT_EQ(
      problems_of("{\"a\": 1, \"a\": 2}", "a.json"),
      "1:10: syntax/duplicate-key: duplicate key `a`: it stands first on line 1, column 2 (keep one of the "
      "two)");
  EXPECT_EQ(problems_of("// a\n{}", "a.json"),
            "1:1: syntax/json: JSON has no comments (remove it, or write YAML, where `#` begins a comment)");
  EXPECT_EQ(problems_of("{ /* a */ }", "a.json"),
            "1:3: syntax/json: JSON has no comments (remove it, or write YAML, where `#` begins a comment)");
  EXPECT_EQ(problems_of("{a: b}", "a.json"),
            "1:2: syntax/json: expected a key in double quotes (write it in double quotes)");
}

TEST(Parse, YamlMistakes) {
  EXPECT_EQ(problems_of("a: 1\nb:\n\tc: 2\n"),
            "3:1: syntax/yaml: a tab in the indentation (indent with spaces)");
  EXPECT_EQ(problems_of("spec:\n  a:1\n  b: 2\n"),
            "2:3: syntax/yaml: a key without a space after its colon (put a space after the colon)");
  EXPECT_EQ(problems_of("a: \"x\nb: 2\n"),
            "1:4: syntax/yaml: a double-quoted string that is never closed (close it with `\"`)");
  EXPECT_EQ(
      problems_of("a: 'x\nb: 2\n"),
      "1:4: syntax/yaml: a single-quoted string that is never closed (close it with `'`, and write a single "
      "quote inside it as `''`)");
  EXPECT_EQ(problems_of("a: x: y\n"),
            "1:5: syntax/yaml: a second `: ` on the same line (quote the value if it contains `: `)");
  EXPECT_EQ(
      problems_of("a:\n  b: 1\n c: 2\n"),
      "3:2: syntax/yaml: the indentation matches no map above (align the key with the others of its map)");
  EXPECT_EQ(
      problems_of("- a\nb: c\n"),
      "2:1: syntax/yaml: a key beside the items of a list (indent it into an item, or align it with the key "
      "of the list)");
  EXPECT_EQ(
      problems_of("a: {b: c\n"),
      "2:1: syntax/yaml: a `{` that is not closed, or a comma that is missing (close the map with `}`)");
  EXPECT_EQ(
      problems_of("a: 1\n  b: 2\n"),
      "1:4: syntax/yaml: a value on the key's line, and deeper lines below it (align the next line with this "
      "key, or remove the value)");
  EXPECT_EQ(problems_of("a: b\n\tc: 2\n"),
            "1:4: syntax/yaml: a value on the key's line, and a line below it that begins with a tab (indent "
            "with spaces)");
  EXPECT_EQ(problems_of("spec\n  a: b\n"),
            "1:1: syntax/yaml: a line without a colon before deeper lines (end the line with `:`)");
  EXPECT_EQ(problems_of("a: @x\n"),
            "1:4: syntax/yaml: a value may not begin with this character (quote the value)");
  EXPECT_EQ(problems_of("a: {{ .Values.x }}\n"),
            "1:5: syntax/key: a list or a map as a key: keys are strings (render the template first, if it "
            "is one)");
}

TEST(Parse, OneBadDocumentLeavesTheOthers) {
  const std::string text = "a: 1\n---\nb: [\n---\nc: 3\n---\nd: 1\nd: 2\n---\ne: 5\n";
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "a.yaml", &problems);
  ASSERT_EQ(documents.size(), 3u);
  EXPECT_EQ(documents[1].tree.at("c")->line(), 5u);
  EXPECT_EQ(documents[2].tree.at("e")->line(), 10u);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].where.line, 4u);
  EXPECT_EQ(problems[1].where.line, 8u);
}

TEST(Parse, AColonWithoutASpaceIsToldWhereverItStands) {
  constexpr std::string_view kProblem =
      "syntax/yaml: a key without a space after its colon (put a space after the colon)";
  for (const char* text : {"a:\n  b: c\n  d:e\n", "a:\n  b: c\n  d:e\nf: 1\n", "- b: c\n  d:80\n"}) {
    EXPECT_TRUE(problems_of(text).ends_with(kProblem)) << text << problems_of(text);
  }
}

TEST(Parse, TheFirstKeyAgainMayBeginAnotherDocument) {
  EXPECT_EQ(problems_of("a: 1\nb: 2\na: 3\nb: 4\n"),
            "3:1: syntax/duplicate-key: duplicate key `a`: it stands first on line 1, column 1 (write `---` "
            "above it if another document begins here, or keep one of the two)");
}

TEST(Parse, DuplicateKeysNameBothPlaces) {
  EXPECT_EQ(
      problems_of("a:\n  b: 1\n  'b': 2\n"),
      "3:3: syntax/duplicate-key: duplicate key `b`: it stands first on line 2, column 3 (keep one of the "
      "two)");
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("k{}: 1\n", i);
  EXPECT_EQ(
      problems_of(text + "k7: 2\n"),
      "101:1: syntax/duplicate-key: duplicate key `k7`: it stands first on line 8, column 1 (keep one of the "
      "two)");
}

TEST(Parse, AliasesAndTags) {
  EXPECT_EQ(
      problems_of("a: *x\n"),
      "1:4: syntax/alias: an alias without its anchor in this document (quote the value if it is meant to "
      "begin with `*`)");
  EXPECT_EQ(problems_of("a: &x [*x]\n"), "1:8: syntax/alias: an alias inside of what it stands for");
  EXPECT_EQ(problems_of("a: !secret b\n"),
            "1:12: syntax/tag: a tag that neither JSON nor Kubernetes knows (remove the tag)");
  EXPECT_EQ(
      problems_of("<<: 1\n"),
      "1:5: syntax/merge: the value of `<<` must be a map or a list of maps (quote the key if it is meant to "
      "be `<<`)");
}

TEST(Parse, RefusesBombs) {
  std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const char before = static_cast<char>(c - 1);
    laughs += fmt::format("{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n", c, before);
  }
  EXPECT_EQ(problems_of(laughs),
            "5:20: syntax/too-large: aliases that stand for too much, next to what is written (write it out, "
            "or split the file)");
  EXPECT_EQ(problems_of("a: " + std::string(200, '[') + std::string(200, ']')),
            "1:103: syntax/too-deep: nested deeper than 100 levels");
  EXPECT_EQ(problems_of("{\"a\": " + std::string(100'000, '[')),
            "1:106: syntax/too-deep: nested deeper than 100 levels");
  EXPECT_EQ(problems_of("[" + std::string(100'000, '['), "a.json"),
            "1:101: syntax/too-deep: nested deeper than 100 levels");
}

// Few nodes, but each of many bytes; and little in each document, but many documents.
TEST(Parse, RefusesBombsOfBytesAndOfDocuments) {
  const std::string big = "a: &a " + std::string(100'000, 'x') + "\n";
  const auto aliases = [](std::size_t count) {
    std::string text = "b: [";
    for (std::size_t i = 0; i < count; ++i) text += "*a,";
    return text + "]\n";
  };
  EXPECT_EQ(problems_of(big + aliases(10)), "");
  EXPECT_EQ(problems_of(big + aliases(11)),
            "2:35: syntax/too-large: aliases that stand for too much, next to what is written (write it out, "
            "or split the file)");
  const std::string document = "a: &a " + std::string(1'000, 'x') + "\n" + aliases(100) + "---\n";
  std::string documents;
  for (int i = 0; i < 10; ++i) documents += document;
  EXPECT_EQ(problems_of(documents), "");
  for (int i = 0; i < 10; ++i) documents += document;
  EXPECT_TRUE(problems_of(documents).contains("32:101: syntax/too-large")) << problems_of(documents);
}

// The limits are the same in JSON, which has a reader of its own.
TEST(Parse, RefusesBombsOfJson) {
  std::string nodes = "[1";
  for (std::size_t i = 1; i < kMaxNodes; ++i) nodes += ",1";
  EXPECT_EQ(problems_of(nodes + "]", "a.json"),
            "1:2000000: syntax/too-large: a document of more than 1000000 nodes");
  const std::string deep = std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']');
  EXPECT_EQ(problems_of(deep, "a.json"), "");
  EXPECT_EQ(problems_of("[" + deep + "]", "a.json"), "1:101: syntax/too-deep: nested deeper than 100 levels");
}

TEST(Parse, RefusesCycles) {
  EXPECT_EQ(problems_of("a: &x\n  b: [*x]\n"), "2:7: syntax/alias: an alias inside of what it stands for");
  EXPECT_EQ(problems_of("a: &x\n  <<: *x\n"), "2:7: syntax/alias: an alias inside of what it stands for");
  EXPECT_EQ(problems_of("&x [&y {a: *x, b: *y}]\n"),
            "1:12: syntax/alias: an alias inside of what it stands for");
}

// A scalar may be as large as a text; what is behind it has its place all the same.
TEST(Parse, HugeScalars) {
  static constexpr std::size_t kSize = 4'000'000;
  const std::string xs(kSize, 'x');
  const auto behind = [](const std::string& text, std::string_view file) {
    const Tree tree = parse_one(text, file);
    EXPECT_EQ(tree.at("a")->as_string().size(), kSize);
    return std::tuple(tree.at("b")->line(), tree.at("b")->column());
  };
  EXPECT_EQ(behind("a: " + xs + "\nb: 1\n", "a.yaml"), std::tuple(2u, 4u));
  EXPECT_EQ(behind("a: '" + xs + "'\nb: 1\n", "a.yaml"), std::tuple(2u, 4u));
  EXPECT_EQ(behind("{a: \"" + xs + "\", b: 1}\n", "a.yaml"), std::tuple(1u, 4'000'012u));
  EXPECT_EQ(behind("{\"a\": \"" + xs + "\", \"b\": 1}\n", "a.json"), std::tuple(1u, 4'000'016u));
  EXPECT_TRUE(parse_one("a: " + std::string(kSize, '9')).at("a")->is_string()) << "a number beyond all";
}

TEST(Parse, HugeMistakes) {
  const std::string xs(4'000'000, 'x');
  EXPECT_EQ(problems_of("a: \"" + xs),
            "1:4: syntax/yaml: a double-quoted string that is never closed (close it with `\"`)");
  EXPECT_EQ(problems_of("{\"a\": \"" + xs, "a.json"),
            "1:7: syntax/json: a string without its closing quote (close it with `\"`)");
  EXPECT_EQ(problems_of("a: !" + xs + " b\n"),
            "1:4000006: syntax/tag: a tag that neither JSON nor Kubernetes knows (remove the tag)");
  EXPECT_EQ(problems_of(xs + ": 1\n" + xs + ": 2\n"),
            "2:1: syntax/duplicate-key: duplicate key `" + xs.substr(0, 60) +
                "…`: it stands first on line 1, column 1 (keep one of the two)");
}

TEST(Parse, VeryLongLines) {
  std::string list = "a: [";
  for (int i = 0; i < 200'000; ++i) list += "é, ";
  EXPECT_EQ(problems_of(list + "@]\n"),
            "1:600005: syntax/yaml: a value may not begin with this character (quote the value)");
  EXPECT_EQ(parse_one(list + "z]\n").at("a")->items().back().column(), 600'005u);
  std::string json = "{\"a\": [";
  for (int i = 0; i < 200'000; ++i) json += "\"é\",";
  EXPECT_EQ(problems_of(json + "]}", "a.json"),
            "1:800008: syntax/json: a comma before `]` (remove the comma)");
  EXPECT_EQ(parse_one(std::string(1'000'000, ' ') + "a: 1\n").at("a")->column(), 1'000'004u);
}

TEST(Parse, PlacesCountFromBehindAByteOrderMark) {
  EXPECT_EQ(problems_of("\xEF\xBB\xBF"
                        "a: @x\n"),
            "1:4: syntax/yaml: a value may not begin with this character (quote the value)");
  EXPECT_EQ(problems_of("\xEF\xBB\xBF"
                        "{\"a\": 1,}",
                        "a.json"),
            "1:9: syntax/json: a comma before `}` (remove the comma)");
}

TEST(Parse, LinesMayEndAsOnWindows) {
  const Tree tree = parse_one("a:\r\n- b\r\n- 'c\r\n  d'\r\n- |\r\n  e\r\n");
  EXPECT_EQ(tree.at("a[1]")->as_string(), "c d");
  EXPECT_EQ(tree.at("a[2]")->as_string(), "e\n");
  EXPECT_EQ(problems_of("a: 1\r\nb:\r\n\tc: 2\r\n"),
            "3:1: syntax/yaml: a tab in the indentation (indent with spaces)");
  EXPECT_EQ(problems_of("{\r\n\"a\": 1,\r\n}", "a.json"),
            "3:1: syntax/json: a comma before `}` (remove the comma)");
  EXPECT_EQ(problems_of("a: 1\r\nb: 2\rc: 3\n"),
            "2:5: syntax/line-break: a carriage return without a line feed: editors disagree whether a line "
            "ends here (save the file with Unix line ends)");
}

TEST(Parse, TabsMayStandBetweenValuesOnly) {
  const Tree tree = parse_one("a:\t1\nb: [1,\t2]\t# c\nd: 'x\ty'\n");
  EXPECT_EQ(tree.at("a")->as_int(), 1);
  EXPECT_EQ(tree.at("b[1]")->as_int(), 2);
  EXPECT_EQ(tree.at("d")->as_string(), "x\ty");
  EXPECT_EQ(problems_of("{\"a\": \"\t\"}", "a.json"),
            "1:8: syntax/json: a control character inside a string (write it as an escape, \\t for a tab)");
}

// Where the text ends too early, libfyaml points behind it.
TEST(Parse, PlacesAreInTheText) {
  EXPECT_EQ(problems_of("a:\n-"), "2:2: syntax/yaml: did not find expected node content");
  EXPECT_EQ(parse_one(">").line(), 1u);
  EXPECT_EQ(parse_one(">").column(), 1u);
  EXPECT_EQ(parse_one("- a\n- |").items()[1].line(), 1u);
}

TEST(Parse, RefusesWhatIsNoText) {
  EXPECT_EQ(problems_of("a: 1\nb: é\xFF\n"),
            "2:5: syntax/utf8: byte 0xFF is no UTF-8 (save the file as UTF-8)");
  EXPECT_EQ(problems_of("a: \xC0\xAF"), "1:4: syntax/utf8: byte 0xC0 is no UTF-8 (save the file as UTF-8)");
  EXPECT_EQ(problems_of("a: \xED\xA0\x80"),
            "1:4: syntax/utf8: byte 0xED is no UTF-8 (save the file as UTF-8)");
  EXPECT_EQ(problems_of(std::string("a: b\0c", 6)), "1:5: syntax/nul: a NUL byte: this is no text");
  EXPECT_EQ(problems_of(std::string("\xFF\xFE"
                                    "a\0",
                                    4)),
            "1:1: syntax/utf8: byte 0xFF is no UTF-8 (the file looks like UTF-16: save it as UTF-8)");
  EXPECT_EQ(problems_of(std::string(kMaxTextBytes + 1, '#')),
            "0:0: syntax/too-large: more than 67108864 bytes of text (split the file)");
}

TEST(Parse, MessagesNeverQuoteValues) {
  const std::string secret = "hunter2";
  for (const char* const text :
       {"password: hunter2: x\n", "password: \"hunter2\n", "password: 'hunter2' x\n", "password: @hunter2\n",
        "password: hunter2\n  x: y\n", "hunter2\n  x: y\n", "password: \"\\hunter2\"\n",
        "password: *hunter2\n", "password: !hunter2 x\n", "password: [hunter2\n", "password: |1hunter2\n",
        "password: &hunter2\n", "%hunter2\n"}) {
    EXPECT_EQ(problems_of(text).find(secret), std::string::npos) << problems_of(text);
  }
}

}  // namespace
}  // namespace sluice

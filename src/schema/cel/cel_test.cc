#include "schema/cel/cel.h"

#include <random>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schema/cel/syntax.h"
#include "tree/parse.h"

namespace sluice::schema::cel {
namespace {

Tree tree_of(std::string_view text) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = sluice::parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << text;
  return documents.empty() ? Tree() : documents[0].tree;
}

Type sample() {
  const Type item = object({
      field("name", string()).required(),
      field("port", int32()),
      field("protocol", string()).defaults_to("TCP"),
  });
  return object({
      field("type", enumeration({"Exact", "Prefix"})).defaults_to("Exact"),
      field("namespace", string()),
      field("items", list(item)),
      field("labels", map(string())),
      field("size", int_or_string()),
      field("ratio", number()),
      field("count", integer()),
      field("encoded", string().formatted("byte")),
      field("period", string().formatted("duration")),
      field("since", string().formatted("date-time")),
      field("either", string().nullable()),
      field("anything", any()),
      field("with-dash", string()),
  });
}

constexpr std::string_view kSample = R"(
namespace: ns
items:
- {name: a, port: 80}
- {name: b, protocol: UDP}
labels: {x: "1", "example.com/y": "2"}
size: 10%
ratio: 2
count: 3.0
encoded: aGk=
period: 1h
since: 2026-01-31T12:00:00Z
either: null
anything: {deep: [1, x, {y: true}]}
with-dash: dash
)";

std::string value_of(const std::string& expression, const Tree& tree, const Type& type) {
  const auto program = Program::parse(expression);
  if (!program) return "no program: " + program.error();
  return program->show(Value(&tree, &type));
}

struct Row {
  const char* expression;
  const char* value;
};

void expect_rows(std::span<const Row> rows) {
  const Type type = sample();
  const Tree tree = tree_of(kSample);
  for (const Row& row : rows) EXPECT_EQ(value_of(row.expression, tree, type), row.value) << row.expression;
}

TEST(Cel, Literals) {
  static constexpr Row kRows[] = {
      {"1", "1"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775808", "no program: the number is too large at column 20"},
      {"0x1F", "31"},
      {"7u", "7u"},
      {"1.5e2", "150"},
      {".5", "0.5"},
      {"true", "true"},
      {"null", "null"},
      {"'a\"b'", "\"a\"b\""},
      {R"("a\n\t\\\x41\u00e4\101")", "\"a\n\t\\AäA\""},
      {R"(r"a\n")", R"("a\n")"},
      {"r\"\"\"a\"\n'b\"\"\"", "\"a\"\n'b\""},
      {"b'\\xff' == b'\\xff'", "true"},
      {"[1, 'a', [true]]", "[1, \"a\", [true]]"},
      {"{'a': 1, 2: 'b'}[2]", "\"b\""},
      {"{\"Auto\":0,\"1.0\":1}[\"1.0\"]", "1"},
      {"1 // the rest is a comment", "1"},
      {"'a", "no program: the quote is not closed at column 3"},
      {"'\\q'", "no program: bad escape at column 4"},
      {"'\\ud800'", "no program: bad escape at column 8"},
      {"", "no program: unexpected end at column 1"},
      {"1 1", "no program: unexpected text at column 3"},
      {"1 +", "no program: unexpected end at column 4"},
      {"(1", "no program: expected `)` at column 3"},
      {"#", "no program: unexpected character at column 1"},
      {"nobody", "no program: unknown name `nobody` at column 7"},
      {"nothing()", "no program: no function `nothing` at column 10"},
      {"'a'.size(1)", "no program: `size` is called with other arguments at column 12"},
      {"has(self)", "no program: has() takes a member, as in has(a.b) at column 10"},
      {"self.items.all(x)", "no program: wrong number of arguments of `all` at column 18"},
      {"'a'.matches('(')", "no program: bad regular expression (missing ): () at column 17"},
  };
  expect_rows(kRows);
}

TEST(Cel, Operators) {
  static constexpr Row kRows[] = {
      {"1 + 2 * 3 - 4 / 2 % 2", "7"},
      {"(1 + 2) * 3", "9"},
      {"-7 / 2", "-3"},
      {"-7 % 2", "-1"},
      {"7u - 2u", "5u"},
      {"1.5 + 1.5", "3"},
      {"1 + 1.5", "error: no arithmetic of an int and a double"},
      {"9223372036854775807 + 1", "error: a number does not fit into 64 bits"},
      {"1u - 2u", "error: a number does not fit into 64 bits"},
      {"-9223372036854775808 / -1", "error: a number does not fit into 64 bits"},
      {"1 / 0", "error: division by zero"},
      {"1 % 0", "error: division by zero"},
      {"1.0 / 0.0 > 1.0", "true"},
      {"0.0 / 0.0 == 0.0 / 0.0", "false"},
      {"'a' + 'b'", "\"ab\""},
      {"[1] + [2]", "[1, 2]"},
      {"1 == 1.0 && 1u == 1 && 1 < 1.5", "true"},
      {"-1 < 0u", "true"},
      {"'a' < 'b' && 'a' <= 'a' && 'b' > 'a' && 'b' >= 'b'", "true"},
      {"'a' < 1", "error: a string cannot be compared with an int"},
      {"'1' == 1", "false"},
      {"[1, 2] == [1, 2] && {'a': [1]} == {'a': [1]} && {'a': 1} != {'b': 1}", "true"},
      {"2 in [1, 2]", "true"},
      {"3 in [1, 2]", "false"},
      {"'a' in {'a': 1}", "true"},
      {"1 in 2", "error: `in` does not take an int"},
      {"!true || !!true", "true"},
      {"!1", "error: `!` does not take an int"},
      {"--1", "1"},
      {"true ? 1 : 2", "1"},
      {"false ? 1 : true ? 2 : 3", "2"},
      {"1 ? 1 : 2", "error: `?:` does not take an int"},
      {"false && 1 / 0 == 1", "false"},
      {"1 / 0 == 1 && false", "false"},
      {"1 / 0 == 1 || true", "true"},
      {"1 / 0 == 1 || false", "error: division by zero"},
      {"true && 1", "error: `&&` does not take an int"},
      {"[1, 2][1]", "2"},
      {"[1, 2][2]", "error: the list has no such item"},
      {"[1, 2][-1]", "error: the list has no such item"},
      {"{'a': 1}.a", "1"},
      {"{'a': 1}['b']", "error: there is no \"b\""},
      {"duration('1h') + duration('30m')", "5400s"},
      {"timestamp('2026-01-01T00:00:00Z') - timestamp('2025-12-31T00:00:00Z')", "86400s"},
      {"timestamp('2026-01-01T00:00:00Z') + duration('-1.5s')", "2025-12-31T23:59:58.5Z"},
      {"timestamp('2024-02-29T12:00:00+02:00')", "2024-02-29T10:00:00Z"},
      {"timestamp('2023-02-29T12:00:00Z')", "error: the value is no RFC 3339 time"},
      {"duration('1h') > duration('59m59s')", "true"},
  };
  expect_rows(kRows);
}

TEST(Cel, Members) {
  static constexpr Row kRows[] = {
      {"self.items[0].name", "\"a\""},
      {"self.items[1].port", "error: there is no `port`"},
      {"has(self.items[1].port)", "false"},
      {"has(self.items[0].port) && has(self.items[0].protocol)", "true"},
      {"self.items[0].protocol", "\"TCP\""},
      {"self.type", "\"Exact\""},
      {"has(self.type)", "true"},
      {"self.__namespace__", "\"ns\""},
      {"self.with__dash__dash", "\"dash\""},
      {"self.labels.x", "\"1\""},
      {"self.labels['example.com/y']", "\"2\""},
      {"'x' in self.labels", "true"},
      {"has(self.labels.z)", "false"},
      {"self.labels.all(k, k.size() > 0)", "true"},
      {"self.size == '10%'", "true"},
      {"self.size == 10", "false"},
      {"self.ratio", "2"},
      {"self.ratio / 4.0", "0.5"},
      {"self.count + 1", "4"},
      {"self.encoded", "b\"hi\""},
      {"self.period > duration('59m')", "true"},
      {"self.since < timestamp('2027-01-01T00:00:00Z')", "true"},
      {"self.either == null", "true"},
      {"self.anything.deep[2].y", "true"},
      {"self.items.size()", "2"},
      {"self.size.name", "error: `.name` does not take a string"},
      {"self.items == self.items", "true"},
      {"oldSelf == self", "false"},
  };
  expect_rows(kRows);
}

TEST(Cel, Macros) {
  static constexpr Row kRows[] = {
      {"self.items.all(i, i.name != '')", "true"},
      {"self.items.all(i, i.port > 0)", "error: there is no `port`"},
      {"self.items.all(i, i.port > 100)", "false"},
      {"self.items.exists(i, i.port == 80)", "true"},
      {"self.items.exists(i, i.port == 81)", "error: there is no `port`"},
      {"self.items.exists_one(i, i.protocol == 'UDP')", "true"},
      {"self.items.existsOne(i, i.name == 'z')", "false"},
      {"self.items.exists_one(i, i.port == 80)", "error: there is no `port`"},
      {"self.items.filter(i, has(i.port)).map(i, i.name)", "[\"a\"]"},
      {"self.items.map(i, has(i.port), i.port + 1)", "[81]"},
      {"self.items.all(a, self.items.exists_one(b, a.name == b.name))", "true"},
      {"[1, 2, 3].filter(i, i % 2 == 1)", "[1, 3]"},
      {"[[1], [2]].all(i, i.all(i, i > 0))", "true"},
      {"[].all(i, false)", "true"},
      {"[].exists(i, true)", "false"},
      {"[1].all(i, 1)", "error: `all` does not take an int"},
      {"1.0.all(i, true)", "error: `all` does not take a double"},
      {"{'a': 1}.map(k, k)", "[\"a\"]"},
  };
  expect_rows(kRows);
}

TEST(Cel, Texts) {
  static constexpr Row kRows[] = {
      {"'äöü'.size()", "3"},
      {"size('abc') + size([1]) + size({}) + size(b'ab')", "6"},
      {"size(1)", "error: `size` does not take an int"},
      {"'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", "true"},
      {"'abc'.contains(1)", "error: `a test of strings` does not take an int"},
      {"'abc'.matches('^a.c$') && matches('abc', 'b')", "true"},
      {"'abc'.matches('^b')", "false"},
      {"'abc'.matches(['('][0] + '')", "error: bad regular expression (missing ): ()"},
      {"'a1b22'.find('[0-9]+')", "\"1\""},
      {"'a1b22'.findAll('[0-9]+')", "[\"1\", \"22\"]"},
      {"'a1b22'.findAll('[0-9]+', 1)", "[\"1\"]"},
      {"'ab'.findAll('x*')", "[\"\", \"\", \"\"]"},
      {"'aBÄ'.lowerAscii() + 'aBä'.upperAscii()", "\"abÄABä\""},
      {"' \\t a b \\n'.trim()", "\"a b\""},
      {"'a,b,c'.split(',')", "[\"a\", \"b\", \"c\"]"},
      {"'a,b,c'.split(',', 2)", "[\"a\", \"b,c\"]"},
      {"'a,b'.split(',', 0)", "[]"},
      {"'äb'.split('')", "[\"ä\", \"b\"]"},
      {"''.split(',')", "[\"\"]"},
      {"['a', 'b'].join('-') + ['c'].join()", "\"a-bc\""},
      {"'äbc'.substring(1) + 'äbc'.substring(0, 1)", "\"bcä\""},
      {"'abc'.substring(3)", "\"\""},
      {"'abc'.substring(4)", "error: the string is too short for this `substring`"},
      {"'abc'.substring(2, 1)", "error: the string is too short for this `substring`"},
      {"'äb'.charAt(1)", "\"b\""},
      {"'äbab'.indexOf('b')", "1"},
      {"'äbab'.indexOf('b', 2)", "3"},
      {"'äbab'.lastIndexOf('b')", "3"},
      {"'a'.indexOf('z')", "-1"},
      {"[1, 2].indexOf(2)", "1"},
      {"'aaa'.replace('a', 'b', 2)", "\"bba\""},
      {"[3, 1, 2].min() + [3, 1, 2].max() + [1, 2].sum()", "7"},
      {"[].min()", "error: the list is empty"},
      {"[1, 2].isSorted() && !['b', 'a'].isSorted()", "true"},
      {"format.dns1123Label().validate('a-b') == null", "true"},
      {"format.dns1123Label().validate('A') == null", "false"},
      {"format.nothing().validate('A')", "no program: no format `nothing` at column 17"},
  };
  expect_rows(kRows);
}

TEST(Cel, Conversions) {
  static constexpr Row kRows[] = {
      {"int('12') + int(1.9) + int(3u)", "16"},
      {"int('x')", "error: the value is no int of 64 bits"},
      {"int(1e30)", "error: the value is no int of 64 bits"},
      {"int(true)", "error: `int` does not take a bool"},
      {"uint(3) + uint('4')", "7u"},
      {"uint(-1)", "error: the value is no uint of 64 bits"},
      {"double('1.5') + double(1)", "2.5"},
      {"double('x')", "error: the value is no double"},
      {"string(1) + string(1.5) + string(true) + string(duration('90s'))", "\"11.5true90s\""},
      {"bool('true') && !bool('f')", "true"},
      {"bytes('a') == b'a'", "true"},
      {"dyn(1) == 1", "true"},
      {"duration('1h1m1s1ms').getMilliseconds()", "3661001"},
      {"duration('1.5h').getMinutes()", "90"},
      {"duration('-2s').getSeconds()", "-2"},
      {"duration('1')", "error: the value is no duration"},
      {"duration('9999999999h')", "error: the value is no duration"},
      {"duration('')", "error: the value is no duration"},
      {"string(timestamp('1969-12-31T23:59:59.25Z'))", "\"1969-12-31T23:59:59.25Z\""},
      {"string(timestamp('0001-01-01T00:00:00Z'))", "\"0001-01-01T00:00:00Z\""},
      {"string(timestamp('9999-12-31T23:59:59Z'))", "\"9999-12-31T23:59:59Z\""},
      {"int(timestamp('2000-03-01T00:00:00Z'))", "951868800"},
      {"timestamp(0)", "1970-01-01T00:00:00Z"},
      {"quantity('1Ki').compareTo(quantity('1024'))", "0"},
      {"quantity('1.5').isGreaterThan(quantity('1500m'))", "false"},
      {"quantity('2k').isLessThan(quantity('2Ki')) && quantity('1e3').asInteger() == 1000", "true"},
      {"quantity('100m').isInteger() || quantity('-1').sign() != -1", "false"},
      {"quantity('1n').asApproximateFloat()", "1e-09"},
      {"isQuantity('1x') || isQuantity('') || isQuantity('.')", "false"},
      {"quantity('x')", "error: the value is no quantity"},
  };
  expect_rows(kRows);
}

TEST(Cel, Addresses) {
  static constexpr Row kRows[] = {
      {"isIP('10.0.0.1') && isIP('::1')", "true"},
      {"isIP('10.0.0') || isIP('::ffff:1.2.3.4') || isIP('fe80::1%eth0') || isIP('010.0.0.1')", "false"},
      {"ip('10.0.0.1').family() + ip('::1').family()", "10"},
      {"ip('x')", "error: the value is no IP address"},
      {"ip('::1') == ip('0:0:0:0:0:0:0:1')", "true"},
      {"string(ip('0:0::1'))", "\"::1\""},
      {"ip('127.0.0.1').isLoopback() && ip('::1').isLoopback() && ip('::').isUnspecified()", "true"},
      {"ip('169.254.0.1').isLinkLocalUnicast() && ip('ff02::1').isLinkLocalMulticast()", "true"},
      {"ip('8.8.8.8').isGlobalUnicast() && !ip('224.0.0.1').isGlobalUnicast()", "true"},
      {"isCIDR('10.0.0.0/8') && isCIDR('::/0')", "true"},
      {"isCIDR('10.0.0.0/33') || isCIDR('10.0.0.0/08') || isCIDR('10.0.0.0')", "false"},
      {"cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.0'))", "true"},
      {"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
       "true"},
      {"cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16') && cidr('::/7').prefixLength() == 7", "true"},
      {"string(cidr('10.1.2.3/16').ip())", "\"10.1.2.3\""},
      {"isURL('https://a.b:80/c?d=e') && isURL('/a') && !isURL('a b') && !isURL('a')", "true"},
      {"url('https://u:p@[::1]:80/c?d').getHostname() + url('https://[::1]:80/c').getPort()", "\"::180\""},
      {"url('https://a.b:80/c').getScheme() + url('https://a.b:80/c').getHost()", "\"httpsa.b:80\""},
      {"url('/a%20b?c').getEscapedPath()", "\"/a%20b\""},
  };
  expect_rows(kRows);
}

TEST(Cel, Verdicts) {
  const Type type = sample();
  const Tree tree = tree_of(kSample);
  const auto verdict = [&](std::string_view expression) {
    return Program::parse(expression)->evaluate(Value(&tree, &type));
  };
  EXPECT_TRUE(verdict("true").holds);
  EXPECT_FALSE(verdict("false").holds);
  EXPECT_EQ(verdict("false").error, "");
  EXPECT_EQ(verdict("self.items[5].name == ''").error, "the list has no such item");
  EXPECT_EQ(verdict("1").error, "the rule gives an int");
  EXPECT_TRUE(Program::parse("self == oldSelf")->is_transition());
  EXPECT_TRUE(verdict("self != oldSelf && false").holds);
}

TEST(Cel, Culprits) {
  const Type type = list(object({field("name", string()), field("kind", string())}));
  struct Case {
    const char* rule;
    const char* tree;
    int item;
    int earlier;
  };
  static constexpr Case kCases[] = {
      {"self.all(a, a.name != 'x')", "[{name: a}, {name: x}, {name: x}]", 1, -1},
      {"self.all(a, self.exists_one(b, a.name == b.name))", "[{name: a}, {name: x}, {name: b}, {name: x}]", 3,
       1},
      {"self.all(a, self.exists_one(b, a.name == b.name))", "[{name: a}, {name: b}, {name: b}, {name: a}]", 2,
       1},
      {"self.all(a, !has(a.kind) || self.exists_one(b, has(b.kind) && a.kind == b.kind))",
       "[{name: a}, {kind: k}, {name: b}, {kind: k}]", 3, 1},
      {"self.all(a, a.name == 'x' ? self.exists_one(b, a.kind == b.kind) : true)",
       "[{name: x, kind: k}, {name: y, kind: k}]", 0, -1},
      {"self.all(a, self.exists_one(b, b.name == 'x'))", "[{name: a}]", 0, -1},
      {"self.filter(a, a.kind == 'k').size() <= 1", "[{kind: k}, {kind: l}, {kind: k}]", 2, 0},
      {"self.size() < 1", "[{}]", -1, -1},
  };
  for (const Case& test : kCases) {
    const Tree tree = tree_of(test.tree);
    const Program program = *Program::parse(test.rule);
    ASSERT_FALSE(program.evaluate(Value(&tree, &type)).holds) << test.rule;
    const Culprit culprit = program.culprit(Value(&tree, &type));
    const auto place = [&](int i) { return i < 0 ? nullptr : &tree.items()[static_cast<std::size_t>(i)]; };
    EXPECT_EQ(culprit.item, place(test.item)) << test.rule;
    EXPECT_EQ(culprit.earlier, place(test.earlier)) << test.rule;
  }
  const Tree star = tree_of("[a, '*']");
  EXPECT_EQ(Program::parse("!('*' in self && self.size() > 1)")->culprit(Value(&star, &type)).item,
            &star.items()[1]);
}

TEST(Cel, DepthIsLimited) {
  const auto parses = [](const std::string& text) { return Program::parse(text).has_value(); };
  EXPECT_TRUE(parses(std::string(40, '(') + "1" + std::string(40, ')')));
  EXPECT_FALSE(parses(std::string(5000, '(') + "1" + std::string(5000, ')')));
  EXPECT_FALSE(parses(std::string(5000, '[')));
  EXPECT_FALSE(parses(std::string(5000, '!') + "true"));
  EXPECT_FALSE(parses(std::string(5000, '-') + "x"));
  std::string sum = "1";
  for (int i = 0; i < 3000; ++i) sum += "+1";
  EXPECT_FALSE(parses(sum));
  std::string path = "self";
  for (int i = 0; i < 3000; ++i) path += ".a";
  EXPECT_FALSE(parses(path));
  EXPECT_FALSE(parses(std::string(kMaxText + 1, ' ')));
  EXPECT_FALSE(
      parses("[1].all(a,[1].all(b,[1].all(c,[1].all(d,[1].all(e,[1].all(f,[1].all(g,[1].all(h,[1].all("
             "i,[1].all(j,[1].all(k,[1].all(l,true))))))))))))"));
}

TEST(Cel, WorkIsLimited) {
  std::string text = "[";
  for (int i = 0; i < 300; ++i) text += "x,";
  const Tree tree = tree_of(text + "y]");
  const Type type = list(string());
  constexpr const char* kTooLong = "error: the rule takes too long for this value";
  EXPECT_EQ(value_of("self.all(a, self.all(b, self.all(c, a != b || c != '')))", tree, type), kTooLong);
  EXPECT_EQ(value_of("self.map(a, self.map(b, self)) == self.map(a, self.map(b, self))", tree, type),
            kTooLong);
  EXPECT_EQ(
      value_of("self.map(a, self.map(b, self.join('" + std::string(2000, 'x') + "'))) == []", tree, type),
      kTooLong);
}

// As many calls as there are pairs of items: what a call costs counts, not that it is one.
TEST(Cel, WorkOfFunctionsIsLimited) {
  std::string text = "[";
  for (int i = 0; i < 200; ++i) text += "x,";
  const Tree tree = tree_of(text + "x]");
  const Type type = list(string());
  const std::string ones = "[1" + [] {
    std::string more;
    for (int i = 0; i < 400; ++i) more += ",1";
    return more;
  }() + "]";
  const std::string letters(1000, 'a');
  const auto of_each_pair = [&](const std::string& call) {
    return value_of("self.all(a, self.all(b, " + call + "))", tree, type);
  };
  EXPECT_EQ(of_each_pair("a == b"), "true");
  constexpr const char* kTooLong = "error: the rule takes too long for this value";
  EXPECT_EQ(of_each_pair("'" + letters + "'.matches('(a{20}){20}b') || true"), kTooLong);
  EXPECT_EQ(of_each_pair("'a'.matches('(.{20}){20}' + a) || true"), kTooLong);
  EXPECT_EQ(of_each_pair("format.dns1123Subdomain().validate('a') == null"), kTooLong);
  EXPECT_EQ(of_each_pair("'" + letters + "'.findAll('a').size() == 1000"), kTooLong);
  EXPECT_EQ(of_each_pair("'" + letters + "'.split('').size() == 1000"), kTooLong);
  EXPECT_EQ(of_each_pair("('b" + letters.substr(500) + "').lastIndexOf(a) == -1 && '" + letters +
                         "'.lastIndexOf('b" + letters.substr(500) + "') == -1"),
            kTooLong);
  EXPECT_EQ(of_each_pair(ones + ".sum() == 401"), kTooLong);
  EXPECT_EQ(of_each_pair(ones + ".max() == 1"), kTooLong);
  EXPECT_EQ(of_each_pair(ones + ".isSorted()"), kTooLong);
  EXPECT_EQ(of_each_pair("isURL('https://a/" + letters + "')"), kTooLong);
  EXPECT_EQ(of_each_pair("self[0]." + letters + " || true"), kTooLong) << "of words about an error";
}

// A list in a list in a list, each of them eight times the one before.
TEST(Cel, WhatIsShownIsLimited) {
  std::string text = "[1, 2]";
  for (int i = 0; i < 40; ++i) text = "[" + text + "].map(a, [a,a,a,a,a,a,a,a])";
  const Tree tree = tree_of("[x]");
  const Type type = list(string());
  EXPECT_LT(value_of(text, tree, type).size(), 10'000u);
  EXPECT_LT(value_of("{}[" + text + "]", tree, type).size(), 10'000u);
}

// Whatever is written, the answer is an answer.
TEST(Cel, AnyTextIsSafe) {
  static constexpr std::string_view kPieces[] = {"self",
                                                 ".",
                                                 "items",
                                                 "all",
                                                 "(",
                                                 ")",
                                                 "x",
                                                 ",",
                                                 "&&",
                                                 "||",
                                                 "!",
                                                 "-",
                                                 "1",
                                                 "2u",
                                                 "1.5",
                                                 "'a'",
                                                 "[",
                                                 "]",
                                                 "{",
                                                 "}",
                                                 ":",
                                                 "?",
                                                 "==",
                                                 "<",
                                                 "in",
                                                 "has(",
                                                 "size(",
                                                 "map(x,",
                                                 "filter(x,",
                                                 "+",
                                                 "*",
                                                 "/",
                                                 "%",
                                                 "name",
                                                 "'\\u",
                                                 "r\"",
                                                 "\"\"\"",
                                                 "9223372036854775807",
                                                 "duration('1h')",
                                                 "timestamp('2026-01-01T00:00:00Z')",
                                                 "ip('::1')",
                                                 ".matches('a+')",
                                                 ".substring(",
                                                 ".split(",
                                                 "quantity('1Ki')",
                                                 "null",
                                                 "true",
                                                 "\xff",
                                                 "\0"};
  const Type type = sample();
  const Tree tree = tree_of(kSample);
  std::mt19937 random(20260131);
  std::size_t parsed = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text;
    const unsigned length = 1 + random() % 12;
    for (unsigned piece = 0; piece < length; ++piece) text += kPieces[random() % std::size(kPieces)];
    const auto program = Program::parse(text);
    if (!program) {
      EXPECT_FALSE(program.error().empty());
      continue;
    }
    ++parsed;
    program->show(Value(&tree, &type));
    const Verdict verdict = program->evaluate(Value(&tree, &type));
    EXPECT_TRUE(!verdict.holds || verdict.error.empty()) << text;
    if (!verdict.holds) program->culprit(Value(&tree, &type));
  }
  EXPECT_GT(parsed, 500u);
}

TEST(Cel, KnowsTheSyntaxOfExpressionsThatOthersEvaluate) {
  for (const char* const good : {"response.code >= 400", "request.headers['x-a'].lowerAscii() == 'b'",
                                 "has(request.auth) && !re.match(request.path, '^/a')"}) {
    EXPECT_TRUE(check_syntax(good)) << good;
  }
  for (const char* const bad : {")++++", "response.code >=", "'open"}) EXPECT_FALSE(check_syntax(bad)) << bad;
}

}  // namespace
}  // namespace sluice::schema::cel

#include "cli/report.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cli/console.h"

namespace sluice::cli {
namespace {

std::string line_of(const std::string& file, unsigned line) {
  if (file == "conf/gw.yaml" && line == 12) return "      failedOpen: true";
  if (file == "conf/gw.yaml" && line == 3) return "\tport:\t\"eighty\"";
  if (file == "日本.yaml" && line == 1) return "名前: ウェブ";
  if (file == "secret.yaml") return "  password: hunter2";
  if (file == "blank.yaml") return "   ";
  return "";
}

std::string print(const Problem& problem) { return print_problems({problem}, line_of, false); }

ObjectKey route() { return {GroupKind("gateway.networking.k8s.io", "HTTPRoute"), {"default", "web"}}; }

TEST(Report, LineCaretSuggestion) {
  EXPECT_EQ(print({.code = "schema/unknown-field",
                   .where = {"conf/gw.yaml", 12, 7},
                   .object = route(),
                   .path = "spec.failedOpen",
                   .message = "unknown field `failedOpen`",
                   .suggestion = "did you mean `failOpen`?"}),
            "conf/gw.yaml:12:7: error: unknown field `failedOpen` [schema/unknown-field]\n"
            "   12 |       failedOpen: true\n"
            "      |       ^\n"
            "      = did you mean `failOpen`?\n");
}

TEST(Report, OtherPlaces) {
  EXPECT_EQ(
      print(
          {.code = "conflict/policy",
           .where = {"conf/gw.yaml", 12, 7},
           .message = "two policies have one target",
           .suggestion = "remove one",
           .also =
               {{.where = {"conf/gw.yaml", 3, 2}, .object = route(), .path = "spec", .message = "the older"},
                {.where = {}, .object = route(), .path = "spec.rules[0]", .message = "and this"}}}),
      "conf/gw.yaml:12:7: error: two policies have one target [conflict/policy]\n"
      "   12 |       failedOpen: true\n"
      "      |       ^\n"
      "      = remove one\n"
      "conf/gw.yaml:3:2: note: the older\n"
      "    3 | \tport:\t\"eighty\"\n"
      "      | \t^\n"
      "HTTPRoute default/web spec.rules[0]: note: and this\n");
}

TEST(Report, Tabs) {
  EXPECT_EQ(print({.code = "schema/wrong-type",
                   .severity = Severity::kWarning,
                   .where = {"conf/gw.yaml", 3, 8},
                   .message = "must be a number"}),
            "conf/gw.yaml:3:8: warning: must be a number [schema/wrong-type]\n"
            "    3 | \tport:\t\"eighty\"\n"
            "      | \t     \t^\n");
}

TEST(Report, WhatATerminalWouldObeyIsReplaced) {
  EXPECT_EQ(print({.code = "x/y",
                   .where = {"conf/\x1B.yaml", 0, 0},
                   .message = "there is no \x1B[31mred",
                   .suggestion = "write \a",
                   .also = {{.where = {"conf/b.yaml", 0, 0}, .object = {}, .path = "", .message = "\x7F"}}}),
            "conf/\uFFFD.yaml: error: there is no \uFFFD[31mred [x/y]\n"
            "      = write \uFFFD\n"
            "conf/b.yaml: note: \uFFFD\n");
}

TEST(Report, WideCharacters) {
  EXPECT_EQ(print({.code = "x/y", .where = {"日本.yaml", 1, 5}, .message = "no"}),
            "日本.yaml:1:5: error: no [x/y]\n"
            "    1 | 名前: ウェブ\n"
            "      |       ^\n");
}

TEST(Report, WithoutPlace) {
  EXPECT_EQ(
      print({.code = "syntax/no-such-file", .where = {"conf", 0, 0}, .message = "no such file or folder"}),
      "conf: error: no such file or folder [syntax/no-such-file]\n");
  EXPECT_EQ(print({.code = "reference/not-found",
                   .object = route(),
                   .path = "spec.parentRefs[0]",
                   .message = "there is no Gateway default/gw"}),
            "HTTPRoute default/web spec.parentRefs[0]: error: there is no Gateway default/gw "
            "[reference/not-found]\n");
  EXPECT_EQ(print({.code = "x/y", .where = {"a.yaml", 0, 0}, .object = route(), .message = "no"}),
            "a.yaml: HTTPRoute default/web: error: no [x/y]\n");
  EXPECT_EQ(print({.code = "x/y", .message = "no", .suggestion = "do that"}),
            "error: no [x/y]\n      = do that\n");
  EXPECT_EQ(print({.code = "x/y", .where = {"blank.yaml", 2, 0}, .message = "no"}),
            "blank.yaml:2: error: no [x/y]\n");
}

TEST(Report, SecretsAreNotShown) {
  EXPECT_EQ(print({.code = "schema/format",
                   .where = {"secret.yaml", 7, 13},
                   .object = {GroupKind("", "Secret"), {"default", "s"}},
                   .path = "data.password",
                   .message = "must be base64"}),
            "secret.yaml:7:13: error: must be base64 [schema/format]\n");
}

TEST(Report, Colours) {
  EXPECT_EQ(
      print_problems({{.code = "x/y", .where = {"conf/gw.yaml", 12, 7}, .message = "no"}}, line_of, true),
      "\x1b[1mconf/gw.yaml:12:7:\x1b[0m \x1b[1;31merror:\x1b[0m no \x1b[2m[x/y]\x1b[0m\n"
      "   12 |       failedOpen: true\n"
      "      |       \x1b[1;32m^\x1b[0m\n");
  EXPECT_TRUE(wants_color(true, nullptr, "xterm"));
  EXPECT_TRUE(wants_color(true, "", "xterm"));
  EXPECT_FALSE(wants_color(true, "1", "xterm"));
  EXPECT_FALSE(wants_color(true, nullptr, "dumb"));
  EXPECT_FALSE(wants_color(true, nullptr, nullptr));
  EXPECT_FALSE(wants_color(false, nullptr, "xterm"));
}

TEST(Report, Counts) {
  const Problem error{.code = "x/y"};
  const Problem warning{.code = "x/y", .severity = Severity::kWarning};
  EXPECT_EQ(count_problems({}), "");
  EXPECT_EQ(count_problems({error}), "1 error");
  EXPECT_EQ(count_problems({error, error, warning}), "2 errors, 1 warning");
  EXPECT_EQ(count_problems({warning, warning}), "2 warnings");
  EXPECT_FALSE(has_errors({warning}));
  EXPECT_TRUE(has_errors({warning, error}));
}

TEST(Report, Json) {
  EXPECT_EQ(print_json({}), "[]\n");
  EXPECT_EQ(
      print_json(
          {{.code = "x/y",
            .severity = Severity::kWarning,
            .where = {"\xff.yaml", 3, 4},
            .object = route(),
            .path = "spec",
            .message = "a \"quote\"",
            .suggestion = "none",
            .also = {{.where = {"b.yaml", 5, 6}, .object = {}, .path = "spec.port", .message = "here"}}},
           {.code = "x/z", .message = "no"}}),
      "[\n"
      "  {\n"
      "    \"code\": \"x/y\",\n"
      "    \"severity\": \"warning\",\n"
      "    \"file\": \"\uFFFD.yaml\",\n"
      "    \"line\": 3,\n"
      "    \"column\": 4,\n"
      "    \"object\": {\n"
      "      \"group\": \"gateway.networking.k8s.io\",\n"
      "      \"kind\": \"HTTPRoute\",\n"
      "      \"namespace\": \"default\",\n"
      "      \"name\": \"web\"\n"
      "    },\n"
      "    \"path\": \"spec\",\n"
      "    \"message\": \"a \\\"quote\\\"\",\n"
      "    \"suggestion\": \"none\",\n"
      "    \"also\": [\n"
      "      {\n"
      "        \"file\": \"b.yaml\",\n"
      "        \"line\": 5,\n"
      "        \"column\": 6,\n"
      "        \"object\": null,\n"
      "        \"path\": \"spec.port\",\n"
      "        \"message\": \"here\"\n"
      "      }\n"
      "    ]\n"
      "  },\n"
      "  {\n"
      "    \"code\": \"x/z\",\n"
      "    \"severity\": \"error\",\n"
      "    \"file\": \"\",\n"
      "    \"line\": 0,\n"
      "    \"column\": 0,\n"
      "    \"object\": null,\n"
      "    \"path\": \"\",\n"
      "    \"message\": \"no\",\n"
      "    \"suggestion\": \"\",\n"
      "    \"also\": []\n"
      "  }\n"
      "]\n");
}

}  // namespace
}  // namespace sluice::cli

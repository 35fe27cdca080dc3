#include "control/problem_log.h"

#include <chrono>
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

Problem problem(const std::string& message) {
  return {.code = "value/test",
          .severity = Severity::kError,
          .where = {},
          .object = {},
          .path = "",
          .message = message,
          .suggestion = "",
          .also = {}};
}

std::vector<std::string> messages(const std::vector<Problem>& problems) {
  std::vector<std::string> all;
  for (const Problem& one : problems) all.push_back(one.message);
  return all;
}

using Messages = std::vector<std::string>;

TEST(ProblemLog, TellsOfAProblemWhenItComesAndWhenItGoes) {
  ProblemLog log;
  log.add_all(std::vector{problem("b"), problem("a")});
  ProblemLog::News news = log.take({});
  EXPECT_EQ(messages(news.added), (Messages{"a", "b"}));
  EXPECT_TRUE(news.removed.empty());

  log.remove(problem("a"));
  news = log.take({});
  EXPECT_TRUE(news.added.empty());
  EXPECT_EQ(messages(news.removed), Messages{"a"});

  news = log.take({});
  EXPECT_TRUE(news.added.empty() && news.removed.empty());
}

TEST(ProblemLog, WhatIsTakenBackAndAddedAgainIsNoNews) {
  ProblemLog log;
  log.add(problem("a"));
  log.take({});
  // In either order: a row that is replaced, a batch that says all again.
  log.remove(problem("a"));
  log.add(problem("a"));
  ProblemLog::News news = log.take({});
  EXPECT_TRUE(news.added.empty() && news.removed.empty());
  log.add(problem("a"));
  log.remove(problem("a"));
  news = log.take({});
  EXPECT_TRUE(news.added.empty() && news.removed.empty());
}

TEST(ProblemLog, AProblemOfTwoSidesIsThereUntilBothTakeItBack) {
  ProblemLog log;
  log.add(problem("a"));
  log.add(problem("a"));
  EXPECT_EQ(messages(log.take({}).added), Messages{"a"});
  log.remove(problem("a"));
  EXPECT_TRUE(log.take({}).removed.empty());
  log.remove(problem("a"));
  EXPECT_EQ(messages(log.take({}).removed), Messages{"a"});
}

TEST(ProblemLog, WhatCameAndWentBetweenTwoReportsWasNotThere) {
  ProblemLog log;
  log.add(problem("a"));
  log.remove(problem("a"));
  const ProblemLog::News news = log.take({});
  EXPECT_TRUE(news.added.empty() && news.removed.empty());
}

constexpr std::chrono::seconds kPatience{1};
constexpr ProblemLog::Time kStart{};

TEST(ProblemLog, WithPatienceAProblemIsToldWhenItHasBeenThereForSoLong) {
  ProblemLog log(kPatience);
  log.add(problem("a"));
  EXPECT_TRUE(log.take(kStart).empty());
  EXPECT_EQ(log.wake_at(), kStart + kPatience);
  EXPECT_TRUE(log.take(kStart + kPatience - std::chrono::milliseconds(1)).empty());
  EXPECT_EQ(messages(log.take(kStart + kPatience).added), Messages{"a"});
  EXPECT_EQ(log.wake_at(), std::nullopt);
}

TEST(ProblemLog, WithPatienceAProblemThatSoonGoesIsNeverTold) {
  ProblemLog log(kPatience);
  log.add(problem("a"));
  log.take(kStart);
  EXPECT_EQ(messages(log.all()), Messages{"a"});
  log.remove(problem("a"));
  EXPECT_TRUE(log.take(kStart + kPatience / 2).empty());
  EXPECT_TRUE(log.take(kStart + 2 * kPatience).empty());
}

TEST(ProblemLog, WithPatienceAProblemThatCommitsTakeBackAndAddIsToldAllTheSame) {
  ProblemLog log(kPatience);
  log.add(problem("a"));
  log.take(kStart);
  log.remove(problem("a"));
  log.add(problem("a"));
  EXPECT_TRUE(log.take(kStart + kPatience / 2).empty());
  EXPECT_EQ(messages(log.take(kStart + kPatience).added), Messages{"a"});
}

TEST(ProblemLog, WithPatienceThatAProblemIsGoneIsToldAtOnce) {
  ProblemLog log(kPatience);
  log.add(problem("a"));
  log.take(kStart);
  log.take(kStart + kPatience);
  log.remove(problem("a"));
  EXPECT_EQ(messages(log.take(kStart + kPatience).removed), Messages{"a"});
}

TEST(ProblemLog, ALineHasOnlyWhatAProblemHas) {
  Problem bare = problem("no such file or directory");
  bare.where.file = "conf";
  EXPECT_EQ(log_fields(bare).dump(),
            R"({"code":"value/test","where":"conf","problem":"no such file or directory"})");

  Problem full = problem("there is no Service default/cart");
  full.object = {.kind = GroupKind("", "Service"), .name = {"default", "cart"}};
  full.where = {"a.yaml", 3, 5};
  full.path = "spec";
  full.suggestion = "did you mean `carts`?";
  full.also = {{.where = {"b.yaml", 7, 1}, .message = "here"}};
  EXPECT_EQ(log_fields(full).dump(),
            R"({"code":"value/test","object":"Service default/cart","where":"a.yaml:3:5","path":"spec",)"
            R"("problem":"there is no Service default/cart","suggestion":"did you mean `carts`?",)"
            R"("also":["b.yaml:7:1: here"]})");
}

TEST(ProblemLog, WhatAProblemIsAboutBesidesIsNamedWhereItHasNoPlace) {
  Problem one = problem("an older policy has it");
  one.also = {{.object = {.kind = GroupKind("", "Service"), .name = {"default", "cart"}},
               .path = "spec",
               .message = "here"}};
  EXPECT_EQ(log_fields(one)["also"].dump(), R"(["Service default/cart spec: here"])");
}

}  // namespace
}  // namespace sluice::control

#include "control/isolation.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

ObjectKey route(int i) {
  return {.kind = {"gateway.networking.k8s.io", "HTTPRoute"}, .name = {"default", "r" + std::to_string(i)}};
}

int number(const ObjectKey& object) { return std::stoi(object.name.name.substr(1)); }

// A proxy that refuses a table while it holds a bad object's new version, and the loop around it.
class World {
 public:
  explicit World(Isolation::Clues clues = {}) : isolation(std::move(clues)) {}

  void change(const std::set<int>& objects, const std::set<int>& bad) {
    for (const int i : objects) {
      guilty_.erase(i);
      (bad.contains(i) ? bad_.insert(i), 0 : bad_.erase(i));
      held_.erase(i);
      changed_.insert(i);
    }
    commit();
  }

  // Lets the proxy answer until nothing is left to do; the number of commits that it took.
  int settle() {
    int commits = 0;
    for (bool more = true; more; ++commits) {
      answer();
      more = carry_out();
      if (more) commit();
      if (commits > 200) break;
    }
    return commits;
  }

  void answer() {
    for (const std::string& table : tables_) {
      if (!refuses(table)) continue;
      isolation.rejected(table, commit_, words_);
      ++refusals_;
    }
    isolation.acknowledged(tables_, commit_);
    for (const ObjectKey& good : isolation.take_good()) good_.insert(good);
  }

  bool carry_out() {
    const auto orders = isolation.take();
    for (const auto& order : orders) {
      const int i = number(order.object);
      if (order.guilty) guilty_.insert(i);
      if (!order.hold) guilty_.erase(i);
      if (order.hold) {
        held_.insert(i);
      } else {
        held_.erase(i);
      }
    }
    return !orders.empty();
  }

  void commit() {
    ++commit_;
    isolation.trial_committed(commit_);
    for (const int i : changed_) isolation.changed(commit_, route(i), tables_of(i));
    changed_.clear();
  }

  // Objects of an odd number are in the second table too, where there is one.
  std::set<std::string> tables_of(int i) const {
    return tables_.size() == 1 || i % 2 == 1 ? tables_ : std::set<std::string>{*tables_.begin()};
  }

  bool refuses(const std::string& table) const {
    if (carrier_ && held_.contains(*carrier_)) return false;
    return std::ranges::any_of(bad_,
                               [&](int i) { return !held_.contains(i) && tables_of(i).contains(table); });
  }

  Isolation isolation;
  std::set<std::string> tables_{"table"};
  std::string words_ = "no";
  int refusals_ = 0;
  std::set<int> bad_;
  std::set<int> held_;
  std::set<int> guilty_;
  std::set<int> changed_;
  std::set<ObjectKey> good_;
  std::optional<int> carrier_;  // without which there is nothing to refuse
  std::uint64_t commit_ = 0;
};

std::set<int> upto(int n) {
  std::set<int> all;
  for (int i = 0; i < n; ++i) all.insert(i);
  return all;
}

TEST(Isolation, HoldsNothingBackWhileTheProxyTakesEverything) {
  World world;
  world.change(upto(10), {});
  world.settle();
  EXPECT_TRUE(world.held_.empty());
  EXPECT_EQ(world.good_.size(), 10u);
}

TEST(Isolation, HoldsTheOneObjectThatChangedAtOnce) {
  World world;
  world.change(upto(10), {});
  world.settle();
  world.change({3}, {3});
  world.answer();
  world.carry_out();
  EXPECT_EQ(world.held_, std::set<int>{3});
}

TEST(Isolation, ServesTheOtherChangeOfTheSameCommit) {
  World world;
  world.change(upto(1000), {});
  world.settle();
  world.change({3, 4}, {3});
  world.settle();
  EXPECT_EQ(world.held_, std::set<int>{3});
  EXPECT_TRUE(world.isolation.good(route(4)));
  EXPECT_FALSE(world.isolation.good(route(3)));
}

TEST(Isolation, FindsSeveralAmongAThousandInFewCommits) {
  World world;
  world.change(upto(1000), {5, 500, 999});
  const int commits = world.settle();
  EXPECT_EQ(world.held_, (std::set<int>{5, 500, 999}));
  EXPECT_EQ(world.guilty_, world.held_);
  EXPECT_LT(commits, 60);
}

TEST(Isolation, FindsOneAmongAThousandInAsManyCommitsAsHalvingTakes) {
  for (const int bad : {0, 1, 499, 500, 998, 999}) {
    World world;
    world.change(upto(1000), {bad});
    EXPECT_LE(world.settle(), 22) << bad;
    EXPECT_EQ(world.guilty_, std::set<int>{bad});
  }
}

TEST(Isolation, ServesMostOfTheInnocentFirst) {
  World world;
  world.change(upto(1000), {700});
  for (int i = 0; i < 4; ++i) {
    world.answer();
    if (world.carry_out()) world.commit();
  }
  EXPECT_LE(world.held_.size(), 500u);
}

TEST(Isolation, ThoseToWhomTheWordsPointAreHeldBackAlone) {
  std::vector<ObjectKey> asked;
  World world(
      {.known_good = {}, .named = [&](const std::vector<ObjectKey>& suspects, const std::string& words) {
         asked = suspects;
         EXPECT_EQ(words, "seven is bad");
         return std::vector{route(7), route(70)};
       }});
  world.words_ = "seven is bad";
  world.change(upto(1000), {7});
  world.answer();
  world.carry_out();
  EXPECT_EQ(asked.size(), 1000u);
  EXPECT_EQ(world.held_, (std::set<int>{7, 70}));
  EXPECT_TRUE(world.guilty_.empty());
  world.commit();
  EXPECT_LE(world.settle(), 4);
  EXPECT_EQ(world.held_, std::set<int>{7});
  EXPECT_EQ(world.guilty_, std::set<int>{7});
}

TEST(Isolation, WordsThatMisleadHarmNobody) {
  World world({.known_good = {}, .named = [&](const std::vector<ObjectKey>& suspects, const std::string&) {
                 return std::vector{suspects.front()};
               }});
  world.change(upto(100), {50, 60});
  world.settle();
  EXPECT_EQ(world.held_, (std::set<int>{50, 60}));
  EXPECT_EQ(world.guilty_, world.held_);
}

TEST(Isolation, AVersionThatWasGoodIsSuspectOnlyWhereNoOtherIs) {
  std::set<int> held_ever;
  World world(
      {.known_good = [](const ObjectKey& object) { return number(object) != 3 && number(object) != 4; },
       .named = {}});
  world.change(upto(1000), {3});
  for (bool more = true; more;) {
    world.answer();
    more = world.carry_out();
    held_ever.insert(world.held_.begin(), world.held_.end());
    if (more) world.commit();
  }
  EXPECT_EQ(held_ever, (std::set<int>{3, 4}));
  EXPECT_EQ(world.guilty_, std::set<int>{3});

  // What it refers to has changed: then it may be at fault all the same.
  world.change({3}, {});
  world.change({8, 9}, {8});
  world.settle();
  EXPECT_EQ(world.guilty_, std::set<int>{8});
}

TEST(Isolation, WhatCarriesOthersIsNotBlamedForThem) {
  for (const int bad : {0, 1, 2}) {
    for (const int objects : {2, 3, 20}) {
      if (bad >= objects) continue;
      World world({.known_good = {}, .named = {}, .carries = [](const ObjectKey& object) {
                     return number(object) == 0;
                   }});
      world.carrier_ = 0;
      world.change(upto(objects), {bad});
      world.settle();
      EXPECT_EQ(world.guilty_, std::set<int>{bad}) << "of " << objects;
      EXPECT_EQ(world.held_, world.guilty_);
    }
  }
}

TEST(Isolation, WhereNothingHelpsNobodyIsToBlame) {
  World world;
  world.change(upto(10), {});
  world.settle();
  // What was taken before is refused now, whatever is held back.
  world.bad_ = {11};
  world.change({1, 2}, {});
  world.settle();
  EXPECT_TRUE(world.held_.empty());
  EXPECT_TRUE(world.guilty_.empty());
  EXPECT_LT(world.refusals_, 5);
}

TEST(Isolation, TriesAHeldObjectAgainWhenItChanges) {
  World world;
  world.change(upto(3), {1});
  world.settle();
  ASSERT_EQ(world.held_, std::set<int>{1});
  world.change({1}, {});
  world.settle();
  EXPECT_TRUE(world.held_.empty());
  EXPECT_TRUE(world.isolation.good(route(1)));
}

TEST(Isolation, BlamesNobodyForARefusalOfWhatWasThereBefore) {
  World world;
  world.change(upto(3), {});
  world.settle();
  world.isolation.rejected("table", world.commit_, "moody");
  EXPECT_TRUE(world.isolation.take().empty());
}

TEST(Isolation, LeavesObjectsOfOtherTablesAlone) {
  Isolation isolation;
  isolation.changed(1, route(1), {"a"});
  isolation.changed(1, route(2), {"b"});
  isolation.rejected("a", 1, "no");
  const auto orders = isolation.take();
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].object, route(1));
  EXPECT_TRUE(orders[0].hold);
  EXPECT_EQ(orders[0].message, "no");
}

// Random edits, of one table or of two; the proxy answers now, later, or in the middle of a hunt; with clues
// that are right or wrong.
TEST(Isolation, EndsWithExactlyTheBadHeldWhateverComesWhen) {
  for (unsigned seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    Isolation::Clues clues;
    if (seed % 3 == 1) clues.known_good = [&](const ObjectKey&) { return pick(2) == 0; };
    if (seed % 4 == 1) {
      clues.named = [&](const std::vector<ObjectKey>& suspects, const std::string&) {
        std::vector<ObjectKey> some;
        for (const ObjectKey& suspect : suspects) {
          if (pick(4) == 0) some.push_back(suspect);
        }
        return some;
      };
    }
    if (seed % 5 == 1) clues.carries = [](const ObjectKey& object) { return number(object) % 7 == 0; };
    World world(std::move(clues));
    if (seed % 2 == 1) world.tables_ = {"a", "b"};
    world.change(upto(40), {});
    for (int step = 0; step < 30; ++step) {
      std::set<int> objects;
      std::set<int> bad;
      for (int n = 1 + pick(5); n > 0; --n) {
        const int i = pick(40);
        objects.insert(i);
        if (pick(3) == 0) bad.insert(i);
      }
      world.change(objects, bad);
      for (int n = pick(4); n > 0; --n) {
        world.answer();
        if (world.carry_out()) world.commit();
      }
    }
    world.settle();
    EXPECT_EQ(world.held_, world.bad_);
    EXPECT_EQ(world.guilty_, world.bad_);
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace sluice::control

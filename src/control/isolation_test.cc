#include "control/isolation.h"

#include <random>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

ObjectKey route(int i) {
  return {.kind = {"gateway.networking.k8s.io", "HTTPRoute"}, .name = {"default", "r" + std::to_string(i)}};
}

// A proxy that refuses a table while it holds a bad object's new version, and the loop around it.
class World {
 public:
  void change(const std::set<int>& objects, const std::set<int>& bad) {
    for (const int i : objects) {
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
    if (refuses()) isolation.rejected("table", commit_, "no");
    isolation.acknowledged({"table"}, commit_);
    for (const ObjectKey& good : isolation.take_good()) good_.insert(good);
  }

  bool carry_out() {
    const auto orders = isolation.take();
    for (const auto& order : orders) {
      const int i = std::stoi(order.object.name.name.substr(1));
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
    for (const int i : changed_) isolation.changed(commit_, route(i), {"table"});
    changed_.clear();
  }

  bool refuses() const {
    for (const int i : bad_) {
      if (!held_.contains(i)) return true;
    }
    return false;
  }

  Isolation isolation;
  std::set<int> bad_;
  std::set<int> held_;
  std::set<int> changed_;
  std::set<ObjectKey> good_;
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
  EXPECT_LT(commits, 100);
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

TEST(Isolation, EndsWithExactlyTheBadHeldWhateverComesWhen) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    World world;
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
      // The proxy may answer now, later, or in the middle of a hunt.
      for (int n = pick(4); n > 0; --n) {
        world.answer();
        if (world.carry_out()) world.commit();
      }
    }
    world.settle();
    EXPECT_EQ(world.held_, world.bad_) << "seed " << seed;
    if (world.held_ != world.bad_) break;
  }
}

}  // namespace
}  // namespace sluice::control

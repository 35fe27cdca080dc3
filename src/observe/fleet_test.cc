#include "observe/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::observe {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Time at(int milliseconds) { return Time(std::chrono::milliseconds(1'000'000 + milliseconds)); }

class FleetTest : public testing::Test {
 protected:
  FleetTest() { fleet_.add("a", {80}); }
  Fleet::Proxy proxy() const { return fleet_.proxies().front(); }
  Fleet::Node node(std::size_t i = 0) const { return proxy().nodes.at(i); }

  Fleet fleet_;
};

TEST_F(FleetTest, ANodeIsBehindUntilItAcknowledges) {
  fleet_.connected("a", "a/0");
  fleet_.served("a", 1, at(0), at(10));
  fleet_.served("a", 3, at(20), at(30));
  EXPECT_EQ(node().commits_behind, 2u);
  EXPECT_EQ(node().behind_since, at(10));
  EXPECT_FALSE(proxy().serves);

  EXPECT_THAT(fleet_.acknowledged("a", "a/0", 1, at(50)), ElementsAre(50ms));
  EXPECT_EQ(node().commits_behind, 1u);
  EXPECT_EQ(node().behind_since, at(30));
  EXPECT_TRUE(proxy().serves);

  EXPECT_THAT(fleet_.acknowledged("a", "a/0", 3, at(60)), ElementsAre(40ms));
  EXPECT_EQ(node().acknowledged, 3u);
  EXPECT_EQ(node().commits_behind, 0u);
  EXPECT_EQ(node().behind_since, std::nullopt);
}

TEST_F(FleetTest, AChangeArrivesOnceAndOvertakenOnesTogether) {
  fleet_.connected("a", "a/0");
  fleet_.connected("a", "a/1");
  fleet_.served("a", 1, at(0), at(1));
  fleet_.served("a", 2, std::nullopt, at(2));  // no change of a user's
  fleet_.served("a", 3, at(5), at(6));
  EXPECT_THAT(fleet_.acknowledged("a", "a/1", 3, at(10)), ElementsAre(10ms, 5ms));
  EXPECT_THAT(fleet_.acknowledged("a", "a/0", 3, at(20)), IsEmpty());
}

TEST_F(FleetTest, ANodeThatComesLateIsBehindAllThatIsOpen) {
  fleet_.served("a", 1, at(0), at(1));
  fleet_.connected("a", "a/0");
  EXPECT_EQ(node().commits_behind, 1u);
  fleet_.acknowledged("a", "a/0", 1, at(2));
  fleet_.connected("a", "a/1");
  // What the first serves is not open any more: the second is told of it at once, and says so.
  EXPECT_EQ(node(1).commits_behind, 0u);
}

TEST_F(FleetTest, ANodeThatGoesHoldsUpNothing) {
  fleet_.connected("a", "a/0");
  fleet_.connected("a", "a/1");
  fleet_.served("a", 1, at(0), at(1));
  fleet_.acknowledged("a", "a/0", 1, at(2));
  fleet_.disconnected("a", "a/1");
  ASSERT_EQ(proxy().nodes.size(), 1u);
  EXPECT_EQ(node().commits_behind, 0u);
}

TEST_F(FleetTest, ANodeThatHangsCostsBoundedMemory) {
  fleet_.connected("a", "a/0");
  for (std::uint64_t commit = 1; commit <= 30'000; ++commit) {
    fleet_.served("a", commit, std::nullopt, at(static_cast<int>(commit)));
  }
  EXPECT_EQ(node().commits_behind, 10'000u);
  EXPECT_EQ(node().behind_since, at(1));
  fleet_.acknowledged("a", "a/0", 30'000, at(0));
  EXPECT_EQ(node().commits_behind, 0u);
}

TEST_F(FleetTest, CountsProcessesAndFailures) {
  fleet_.changed({.proxy = "a", .state = proxy::State::kStarting, .pid = 7});
  EXPECT_FALSE(proxy().ready());
  fleet_.changed({.proxy = "a", .state = proxy::State::kReady, .pid = 7});
  EXPECT_EQ(proxy().starts, 1u);
  EXPECT_FALSE(proxy().ready()) << "it has acknowledged nothing";
  fleet_.acknowledged("a", "a/0", 1, at(0));
  EXPECT_TRUE(proxy().ready());
  fleet_.changed({.proxy = "a", .state = proxy::State::kExited, .pid = 7, .message = "killed"});
  EXPECT_EQ(proxy().pid, 0);
  fleet_.changed({.proxy = "a", .state = proxy::State::kBackingOff});
  EXPECT_FALSE(proxy().ready());
  fleet_.changed({.proxy = "a", .state = proxy::State::kReady, .pid = 8});
  EXPECT_EQ(proxy().starts, 2u);
  EXPECT_EQ(proxy().failures, 1u);
}

TEST_F(FleetTest, KnowsOnlyWhatWasAdded) {
  fleet_.connected("b", "b/0");
  fleet_.served("b", 1, at(0), at(0));
  fleet_.changed({.proxy = "b"});
  EXPECT_THAT(fleet_.acknowledged("b", "b/0", 1, at(1)), IsEmpty());
  EXPECT_EQ(fleet_.proxies().size(), 1u);
  fleet_.remove("a");
  EXPECT_THAT(fleet_.proxies(), IsEmpty());
}

}  // namespace
}  // namespace sluice::observe

#include "control/retries.h"

#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using xds::ResourceType;

class RetriesTest : public testing::Test {
 protected:
  void refuse(const std::string& node = "0", std::uint64_t version = 1, std::uint64_t commit = 1) {
    retries_.refused(rejected(node, version, commit), kTaken, now_);
  }
  static ads::Rejected rejected(const std::string& node, std::uint64_t version, std::uint64_t commit) {
    return {.proxy = "proxy",
            .node = node,
            .type = ResourceType::kListener,
            .name = "proxy:80",
            .version = version,
            .message = "",
            .commit = commit};
  }
  void recover(const std::string& node = "0") {
    retries_.recovered({.proxy = "proxy", .node = node, .type = ResourceType::kListener, .name = "proxy:80"});
  }
  // Passes until the next try, and says how long that was.
  std::chrono::milliseconds wait() {
    const auto at = retries_.wake_at();
    if (!at) return -1ms;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(*at - now_);
    EXPECT_TRUE(retries_.take_due(*at - 1ms).empty());
    now_ = *at;
    EXPECT_EQ(retries_.take_due(now_), std::vector{kSocket});
    EXPECT_FALSE(retries_.wake_at()) << "an answer is awaited";
    return waited;
  }
  // "taken", "fine", or "" where nothing changed.
  std::string change() {
    const auto changes = retries_.take_changes();
    if (changes.empty()) return "";
    EXPECT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].first, kSocket);
    return changes[0].second ? "taken" : "fine";
  }

  const Retries::Resource kSocket{ResourceType::kListener, {"proxy", "proxy:80"}};
  const translate::Unserved kTaken{.address = "0.0.0.0:80", .words = "Address already in use"};
  Retries retries_{1};
  Retries::Time now_{1h};
};

TEST_F(RetriesTest, ComeWithADelayThatDoublesUpToAMost) {
  std::chrono::milliseconds whole = Retries::kFirst;
  for (int i = 0; i < 40; ++i) {
    refuse();
    const auto waited = wait();
    EXPECT_LE(waited, whole);
    EXPECT_GE(waited, whole * 3 / 4);
    whole = std::min(Retries::kLongest, whole * 2);
  }
  EXPECT_EQ(whole, Retries::kLongest);
}

TEST_F(RetriesTest, AreNotAtOneTime) {
  refuse();
  Retries others(1'000'003);
  others.refused(rejected("0", 1, 1), kTaken, now_);
  EXPECT_NE(retries_.wake_at(), others.wake_at());
}

TEST_F(RetriesTest, EndWhenTheNodeTakesIt) {
  refuse();
  EXPECT_EQ(change(), "taken");
  wait();
  refuse();
  EXPECT_EQ(change(), "") << "nothing new";
  wait();
  recover();
  EXPECT_EQ(change(), "fine");
  EXPECT_FALSE(retries_.wake_at());
  refuse();
  EXPECT_LE(wait(), Retries::kFirst) << "it starts anew";
}

TEST_F(RetriesTest, ComeAtOnceWhenThePortIsFree) {
  for (int i = 0; i < 5; ++i) {
    refuse();
    wait();
  }
  refuse();
  EXPECT_EQ(retries_.taken_ports(), std::set<std::uint16_t>{80});
  retries_.freed(81, now_);
  EXPECT_NE(retries_.wake_at(), now_);
  retries_.freed(80, now_);
  EXPECT_EQ(wait(), 0ms);
  refuse();
  EXPECT_LE(wait(), Retries::kFirst) << "whoever was faster may be gone as soon";
  recover();
  EXPECT_TRUE(retries_.taken_ports().empty());
}

TEST_F(RetriesTest, EndWhenTheNodeHasGone) {
  refuse();
  change();
  retries_.disconnected({.proxy = "proxy", .node = "1"});
  EXPECT_EQ(change(), "");
  retries_.disconnected({.proxy = "proxy", .node = "0"});
  EXPECT_EQ(change(), "fine");
}

TEST_F(RetriesTest, AreOfAllNodesThatRefuse) {
  refuse("0");
  refuse("1");
  change();
  wait();
  recover("0");
  EXPECT_EQ(change(), "");
  recover("1");
  EXPECT_EQ(change(), "fine");
}

TEST_F(RetriesTest, SayWhyTheNewestNodeRefuses) {
  const translate::Unserved denied{.address = "0.0.0.0:80", .words = "Permission denied"};
  retries_.refused(rejected("proxy/10", 1, 1), denied, now_);
  retries_.refused(rejected("proxy/9", 1, 1), kTaken, now_);
  const auto changes = retries_.take_changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].second, denied);
}

TEST_F(RetriesTest, EndWhenAnotherVersionIsTaken) {
  refuse("0", 7, 3);
  change();
  retries_.acknowledged({.proxy = "proxy", .node = "0", .commit = 4}, [](const auto&) { return 7; });
  EXPECT_EQ(change(), "") << "the commit was about something else";
  retries_.acknowledged({.proxy = "proxy", .node = "0", .commit = 3}, [](const auto&) { return 8; });
  EXPECT_EQ(change(), "") << "the other version is on its way";
  retries_.acknowledged({.proxy = "proxy", .node = "0", .commit = 5}, [](const auto&) { return 8; });
  EXPECT_EQ(change(), "fine");
}

TEST_F(RetriesTest, EndWithTheResource) {
  refuse();
  change();
  retries_.committed([](const auto&) { return 2; });
  EXPECT_EQ(change(), "");
  retries_.committed([](const auto&) { return std::nullopt; });
  EXPECT_EQ(change(), "fine");
  EXPECT_FALSE(retries_.wake_at());
}

TEST_F(RetriesTest, KnowWhatIsNoNews) {
  EXPECT_FALSE(retries_.knows(rejected("0", 1, 1), kTaken));
  refuse();
  EXPECT_TRUE(retries_.knows(rejected("0", 1, 2), kTaken));
  EXPECT_FALSE(retries_.knows(rejected("0", 2, 2), kTaken));
  EXPECT_FALSE(retries_.knows(rejected("1", 1, 1), kTaken));
  EXPECT_FALSE(retries_.knows(rejected("0", 1, 1), {.address = "0.0.0.0:80", .words = "Permission denied"}));
}

TEST_F(RetriesTest, AreToldOtherReplicas) {
  EXPECT_FALSE(retries_.take_news());
  refuse();
  EXPECT_TRUE(retries_.take_news());
  EXPECT_EQ(retries_.report(), (std::vector<UnservedResource>{{kSocket.type, kSocket.key, kTaken}}));
  recover();
  EXPECT_TRUE(retries_.take_news());
  EXPECT_EQ(retries_.report(), std::vector<UnservedResource>());
}

TEST_F(RetriesTest, OfAnotherReplicaAreKnownAndTriedThere) {
  retries_.heard("other", {{kSocket.type, kSocket.key, kTaken}});
  EXPECT_EQ(change(), "taken");
  EXPECT_FALSE(retries_.wake_at());
  EXPECT_FALSE(retries_.take_news()) << "that replica has told it";
  EXPECT_EQ(retries_.report(), std::vector<UnservedResource>());
}

TEST_F(RetriesTest, OfAnotherReplicaEndWhenItSaysSoAndWhenItIsGone) {
  for (int i = 0; i < 2; ++i) {
    retries_.heard("other", {{kSocket.type, kSocket.key, kTaken}});
    EXPECT_EQ(change(), "taken");
    retries_.heard("other", {});
    EXPECT_EQ(change(), "fine");
  }
}

TEST_F(RetriesTest, OfOursCountBeforeThoseOfOthers) {
  const translate::Unserved denied{.address = "0.0.0.0:80", .words = "Permission denied"};
  retries_.heard("other", {{kSocket.type, kSocket.key, denied}});
  refuse();
  const auto changes = retries_.take_changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].second, kTaken);
}

}  // namespace
}  // namespace sluice::control

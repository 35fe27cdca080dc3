#include "ads/store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ads/play.h"

namespace sluice::ads {
namespace {

using ::testing::ElementsAre;
using Type = xds::ResourceType;

std::vector<std::string> changes(const ProxyState& state, std::uint64_t since) {
  std::vector<std::string> names;
  EXPECT_TRUE(state.changes_since(since, [&](Type, const std::string& name, const ProxyState::Entry& entry) {
    names.push_back(entry.resource ? name : "-" + name);
  }));
  return names;
}

TEST(StoreTest, EveryNameComesOnceAtItsLastChange) {
  ProxyState state;
  state.apply({1, {cluster("a"), cluster("b"), cluster("c")}, {}});
  state.apply({2, {cluster("a", "v2")}, {}});
  state.apply({5, {cluster("a", "v3")}, {{Type::kCluster, "b"}}});
  EXPECT_EQ(state.commit(), 5U);
  EXPECT_THAT(changes(state, 0), ElementsAre("c", "-b", "a"));
  EXPECT_THAT(changes(state, 2), ElementsAre("-b", "a"));
  EXPECT_THAT(changes(state, 5), ElementsAre());
}

TEST(StoreTest, TheSameVersionIsNoChange) {
  ProxyState state;
  state.apply({1, {cluster("a")}, {}});
  state.apply({2, {cluster("a")}, {{Type::kCluster, "none"}}});
  EXPECT_THAT(changes(state, 1), ElementsAre());
  EXPECT_EQ(state.find(Type::kCluster, "a")->commit, 1U);
  EXPECT_EQ(state.find(Type::kListener, "a"), nullptr);
}

TEST(StoreTest, ClustersAreSorted) {
  ProxyState state;
  state.apply({1, {routes("web", {"c", "a", "b", "a"})}, {}});
  EXPECT_THAT(state.find(Type::kRoutes, "web")->resource->clusters, ElementsAre("a", "b", "c"));
}

TEST(StoreTest, AReaderThatIsFarBehindIsToldToLookAtEverything) {
  ProxyState state;
  std::uint64_t commit = 0;
  for (int i = 0; i < 3'000; ++i) {
    state.apply({++commit, {cluster(fmt::format("c{}", i))}, {}});
    state.apply({++commit, {}, {{Type::kCluster, fmt::format("c{}", i)}}});
    EXPECT_THAT(changes(state, commit - 1), ElementsAre(fmt::format("-c{}", i)))
        << "one that keeps up is not";
  }
  EXPECT_FALSE(state.changes_since(1, [](Type, const std::string&, const ProxyState::Entry&) {}));
  int remembered = 0;
  state.each(Type::kCluster, [&](const std::string&, const ProxyState::Entry&) { ++remembered; });
  EXPECT_LT(remembered, 2'000);
}

}  // namespace
}  // namespace sluice::ads

#include "control/handover.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using Proxies = std::vector<ir::ProxyKey>;

class HandoverTest : public testing::Test {
 protected:
  Handover handover_;
  Handover::Time now_{1h};
};

TEST_F(HandoverTest, WaitsForAllHeirs) {
  handover_.leave("old", 5, {"a", "b"}, now_);
  EXPECT_EQ(handover_.take(now_), Proxies{});
  handover_.serves("a", 5);
  EXPECT_EQ(handover_.take(now_), Proxies{});
  handover_.serves("b", 4);
  EXPECT_EQ(handover_.take(now_), Proxies{}) << "it serves what was before";
  handover_.serves("b", 6);
  EXPECT_EQ(handover_.take(now_), Proxies{"old"});
  EXPECT_EQ(handover_.take(now_), Proxies{}) << "once";
  EXPECT_FALSE(handover_.wake_at());
}

TEST_F(HandoverTest, WaitsForNobodyWhereThereIsNoHeir) {
  handover_.leave("old", 5, {}, now_);
  EXPECT_EQ(handover_.take(now_), Proxies{"old"});
}

TEST_F(HandoverTest, DoesNotWaitForAnHeirThatHasGone) {
  handover_.leave("old", 5, {"a"}, now_);
  handover_.gone("a");
  EXPECT_EQ(handover_.take(now_), Proxies{"old"});
}

TEST_F(HandoverTest, DoesNotWaitForever) {
  handover_.leave("old", 5, {"a"}, now_);
  EXPECT_EQ(handover_.wake_at(), now_ + Handover::kLongest);
  EXPECT_EQ(handover_.take(now_ + Handover::kLongest - 1ms), Proxies{});
  EXPECT_EQ(handover_.take(now_ + Handover::kLongest), Proxies{"old"});
}

TEST_F(HandoverTest, EndsWhenTheProxyIsWantedAgain) {
  handover_.leave("old", 5, {"a"}, now_);
  EXPECT_TRUE(handover_.stay("old"));
  EXPECT_EQ(handover_.take(now_ + Handover::kLongest), Proxies{});
  EXPECT_FALSE(handover_.stay("old"));
}

}  // namespace
}  // namespace sluice::control

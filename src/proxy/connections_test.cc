#include "proxy/connections.h"

#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

TEST(CountConnections, AddsThoseOfListenersAndThoseThatHaveSaidNothingYet) {
  EXPECT_EQ(count_connections("listener.0.0.0.0_10080.downstream_cx_active: 2\n"
                              "listener.0.0.0.0_10443.downstream_pre_cx_active: 1\n"
                              "server.total_connections: 9\n"),
            3u);
}

TEST(CountConnections, WhoAsksDoesNotCount) {
  EXPECT_EQ(count_connections("listener.admin.downstream_cx_active: 1\n"
                              "listener.0.0.0.0_10080.downstream_cx_active: 0\n"),
            0u);
}

TEST(CountConnections, ListenersThatAreNotForUsersDoNotCount) {
  constexpr std::uint16_t kPorts[] = {19'001, 19'003};
  EXPECT_EQ(count_connections("listener.0.0.0.0_19001.downstream_cx_active: 1\n"
                              "listener.[__]_19003.worker_0.downstream_cx_active: 1\n"
                              "listener.0.0.0.0_10080.downstream_cx_active: 4\n",
                              kPorts),
            4u);
}

TEST(CountConnections, TakesTheServersNumberWhereThereIsNoneOfListeners) {
  EXPECT_EQ(count_connections("server.total_connections: 5\n"), 5u);
}

TEST(CountConnections, DoesNotTellWhereEnvoyDoesNot) {
  EXPECT_EQ(count_connections("nothing: of this\n"), std::nullopt);
}

}  // namespace
}  // namespace sluice::proxy

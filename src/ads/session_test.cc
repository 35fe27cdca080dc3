#include "ads/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ads/fake_envoy.h"
#include "ads/play.h"

namespace sluice::ads {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class SessionTest : public ::testing::TestWithParam<Variant> {
 protected:
  // One cluster, one table, one listener, all served.
  void serve_one() {
    play.commit({cluster("a"), endpoints("a"), routes("web", {"a"}), listener("http", {"web"})});
    play.connect();
    play.settle();
    play.events.clear();
  }

  Play play{GetParam()};
  FakeEnvoy& envoy = play.envoy;
};

INSTANTIATE_TEST_SUITE_P(Variants, SessionTest, ::testing::Values(Variant::kDelta, Variant::kSotw),
                         [](const auto& param) { return param.param == Variant::kDelta ? "Delta" : "Sotw"; });

TEST_P(SessionTest, AFreshEnvoyGetsEverything) {
  play.commit({cluster("a"), endpoints("a"), cluster("b", "dns"), routes("web", {"a", "b"}),
               listener("http", {"web"}, "secret=cert"), secret("cert")});
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.clusters, UnorderedElementsAre(Key("a"), Key("b")));
  EXPECT_THAT(envoy.endpoints, ElementsAre(Pair("a", "endpoints v1")));
  EXPECT_THAT(envoy.listeners, ElementsAre(Key("http")));
  EXPECT_THAT(envoy.tables, ElementsAre(Key("web")));
  EXPECT_THAT(envoy.secrets, ElementsAre(Key("cert")));
  EXPECT_EQ(play.acknowledged(), 1U);
}

TEST_P(SessionTest, AFilterThatAListenerNamesChangesWithoutIt) {
  play.commit({routes("web", {}), listener("http", {"web"}, "extension=picker"), extension("picker"),
               extension("of nobody")});
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.extensions, ElementsAre(Pair("picker", "extension v1")));
  const int before = envoy.resources;
  play.commit({extension("picker", "v2")});
  play.settle();
  EXPECT_THAT(envoy.extensions, ElementsAre(Pair("picker", "extension v2")));
  EXPECT_EQ(envoy.resources - before, 1);
  EXPECT_EQ(play.acknowledged(), 2U);
}

TEST_P(SessionTest, NothingIsAcknowledgedBeforeTheRoutesAre) {
  play.commit({cluster("a"), endpoints("a"), routes("web", {"a"}), listener("http", {"web"})});
  play.connect();
  while (envoy.tables.empty()) {
    EXPECT_EQ(play.acknowledged(), 0U);
    ASSERT_TRUE(play.step());
  }
  EXPECT_EQ(play.acknowledged(), 0U);
  play.settle();
  EXPECT_EQ(play.acknowledged(), 1U);
}

TEST_P(SessionTest, AnUnknownProxyGetsNothingUntilItAppears) {
  play.connect();
  play.settle();
  EXPECT_EQ(envoy.responses, 0);
  play.commit({cluster("a"), endpoints("a")});
  play.settle();
  EXPECT_THAT(envoy.clusters, ElementsAre(Key("a")));
}

TEST_P(SessionTest, AnEmptyProxyIsAnswered) {
  play.commit({});
  play.connect();
  play.settle();
  EXPECT_EQ(envoy.responses, 2);  // clusters and listeners, so that Envoy starts
  EXPECT_EQ(play.acknowledged(), 1U);
}

TEST_P(SessionTest, ARouteEditWaitsForTheClusterAck) {
  serve_one();
  play.commit({cluster("b", "slow"), endpoints("b"), routes("web", {"a", "b"}, "v2")});
  play.settle();
  EXPECT_THAT(envoy.warming, ElementsAre(Key("b")));
  EXPECT_THAT(envoy.tables, ElementsAre(Pair("web", "routes v1")));
  EXPECT_EQ(play.acknowledged(), 0U);

  envoy.finish_slow();
  play.settle();
  EXPECT_THAT(envoy.tables, ElementsAre(Pair("web", "routes v2")));
  EXPECT_EQ(play.acknowledged(), 2U);
}

TEST_P(SessionTest, RoutesThatDoNotNeedTheWarmingClusterGoOn) {
  play.commit({cluster("a"), endpoints("a"), routes("web", {"a"}), routes("api", {"a"}),
               listener("http", {"web", "api"})});
  play.connect();
  play.settle();
  play.commit({cluster("b", "slow"), endpoints("b"), routes("web", {"a", "b"}, "v2")});
  play.settle();
  play.commit({routes("api", {"a"}, "v2")});
  play.settle();
  EXPECT_EQ(envoy.tables["web"], "routes v1");
  EXPECT_EQ(envoy.tables["api"], "routes v2");
}

TEST_P(SessionTest, AStuckClusterIsReportedAndItsMendingGetsThrough) {
  serve_one();
  play.commit({cluster("b", "slow"), endpoints("b"), routes("web", {"a", "b"}, "v2")});
  play.settle();
  play.advance(4s);
  EXPECT_THAT(play.stuck(), IsEmpty());
  play.advance(2s);
  EXPECT_THAT(play.stuck(), ElementsAre("b"));
  EXPECT_EQ(envoy.tables["web"], "routes v1");

  // Not the first cluster response has been answered, but the corrected one goes.
  play.commit({cluster("b", "v2")});
  play.settle();
  EXPECT_THAT(envoy.warming, IsEmpty());
  EXPECT_EQ(envoy.tables["web"], "routes v2");
  EXPECT_EQ(play.acknowledged(), 3U);
}

TEST_P(SessionTest, AStuckClusterThatIsDroppedGoesAtOnce) {
  serve_one();
  play.commit({cluster("b", "slow"), endpoints("b")});
  play.settle();
  play.advance(6s);
  play.commit({}, {{xds::ResourceType::kCluster, "b"}, {xds::ResourceType::kEndpoints, "b"}});
  play.settle();
  EXPECT_THAT(envoy.warming, IsEmpty());
  EXPECT_EQ(play.acknowledged(), 3U);
}

TEST_P(SessionTest, AClusterGoesOnlyAfterItsRoutesAndAGrace) {
  play.commit({cluster("a"), endpoints("a"), cluster("b"), endpoints("b"), routes("web", {"a", "b"}),
               listener("http", {"web"})});
  play.connect();
  play.settle();
  play.commit({routes("web", {"a"}, "v2")},
              {{xds::ResourceType::kCluster, "b"}, {xds::ResourceType::kEndpoints, "b"}});
  play.settle();
  EXPECT_EQ(envoy.tables["web"], "routes v2");
  EXPECT_EQ(play.acknowledged(), 2U) << "the grace is not waited for";
  play.advance(19s);
  EXPECT_THAT(envoy.clusters, Contains(Key("b")));
  EXPECT_EQ(envoy.endpoints["b"], "endpoints v1") << "endpoints go with their cluster";
  play.advance(2s);
  EXPECT_THAT(envoy.clusters, ElementsAre(Key("a")));
}

TEST_P(SessionTest, AClusterThatADrainingListenerUsesStays) {
  serve_one();
  play.commit({}, {{xds::ResourceType::kListener, "http"},
                   {xds::ResourceType::kRoutes, "web"},
                   {xds::ResourceType::kCluster, "a"},
                   {xds::ResourceType::kEndpoints, "a"}});
  play.settle();
  EXPECT_THAT(envoy.listeners, IsEmpty()) << "a listener goes at once";
  play.advance(60s);
  EXPECT_THAT(envoy.clusters, ElementsAre(Key("a")));
  envoy.drain();
  play.settle();
  play.advance(19s);
  EXPECT_THAT(envoy.clusters, ElementsAre(Key("a")));
  play.advance(2s);
  EXPECT_THAT(envoy.clusters, IsEmpty());
}

TEST_P(SessionTest, AClusterThatComesBackDuringTheGraceStays) {
  serve_one();
  play.commit({routes("web", {}, "v2")},
              {{xds::ResourceType::kCluster, "a"}, {xds::ResourceType::kEndpoints, "a"}});
  play.settle();
  play.advance(10s);
  const int responses = envoy.responses;
  play.commit({cluster("a"), endpoints("a")});
  play.settle();
  EXPECT_EQ(envoy.responses, responses) << "it never left";
  play.advance(60s);
  EXPECT_THAT(envoy.clusters, ElementsAre(Key("a")));
}

TEST_P(SessionTest, AChangedClusterGetsItsEndpointsAgain) {
  serve_one();
  play.commit({cluster("a", "v2")});
  play.settle();
  EXPECT_THAT(envoy.clusters, ElementsAre(Pair("a", "cluster v2")));
  EXPECT_THAT(envoy.endpoints, ElementsAre(Pair("a", "endpoints v1")));
  EXPECT_EQ(play.acknowledged(), 2U);
}

TEST_P(SessionTest, AClusterThatChangesWhileTheNodeIsAwayGetsItsEndpointsAgain) {
  serve_one();
  play.disconnect();
  play.commit({cluster("a", "v2")});
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.clusters, ElementsAre(Pair("a", "cluster v2")));
  EXPECT_THAT(envoy.endpoints, ElementsAre(Pair("a", "endpoints v1")));
}

TEST_P(SessionTest, AClusterWhoseEndpointsWereLostOnTheWayGetsThemAgain) {
  serve_one();
  play.commit({cluster("a", "v2")});
  while (envoy.warming.empty()) ASSERT_TRUE(play.step());
  play.disconnect();
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.clusters, ElementsAre(Pair("a", "cluster v2")));
}

TEST_P(SessionTest, AClusterWithoutEndpointsGetsAnEmptyAnswer) {
  play.commit({cluster("a"), routes("web", {"a"}), listener("http", {"web"})});
  play.connect();
  play.settle();
  const std::string none = xds::render_endpoints("a", {}, false);
  EXPECT_THAT(envoy.endpoints, ElementsAre(Pair("a", none)));
  EXPECT_EQ(play.acknowledged(), 1U);

  play.commit({endpoints("a")});
  play.settle();
  EXPECT_THAT(envoy.endpoints, ElementsAre(Pair("a", "endpoints v1")));
  play.commit({}, {{xds::ResourceType::kEndpoints, "a"}});
  play.settle();
  EXPECT_THAT(envoy.endpoints, ElementsAre(Pair("a", none))) << "its cluster is still there";
}

TEST_P(SessionTest, EndpointChurnCostsOneResource) {
  serve_one();
  const int resources = envoy.resources;
  play.commit({endpoints("a", "v2")});
  play.settle();
  EXPECT_EQ(envoy.resources, resources + 1);
  EXPECT_EQ(envoy.endpoints["a"], "endpoints v2");
}

TEST_P(SessionTest, ANodeThatFallsBehindGetsOnlyTheNewest) {
  serve_one();
  play.commit({endpoints("a", "v2")});
  ASSERT_TRUE(play.server_step());  // on the wire
  for (int i = 3; i < 100; ++i) play.commit({endpoints("a", fmt::format("v{}", i))});
  EXPECT_FALSE(play.server_step());
  const int resources = envoy.resources;
  play.settle();
  EXPECT_EQ(envoy.resources, resources + 2);
  EXPECT_EQ(envoy.endpoints["a"], "endpoints v99");
  EXPECT_EQ(play.acknowledged(), 99U);
}

TEST_P(SessionTest, RoutesMoveOnUnderAStreamOfNewClusters) {
  serve_one();
  std::vector<std::string> names = {"a"};
  for (int i = 100; i < 150; ++i) {
    names.push_back(fmt::format("c{}", i));
    play.commit(
        {cluster(names.back()), endpoints(names.back()), routes("web", names, fmt::format("v{}", i))});
    // Commits come faster than a cluster warms.
    for (int n = 0; n < 3; ++n) play.step();
  }
  EXPECT_NE(envoy.tables["web"], "routes v1");
  EXPECT_GT(play.acknowledged(), 1U);
  play.settle();
  EXPECT_EQ(envoy.tables["web"], "routes v149");
}

TEST_P(SessionTest, AReconnectingNodeThatHasEverythingGetsNothing) {
  serve_one();
  const int responses = envoy.responses;
  play.disconnect(Play::Server::kForgets);
  play.connect();
  play.settle();
  EXPECT_EQ(envoy.responses, responses);
  EXPECT_EQ(play.acknowledged(), 1U);
}

TEST_P(SessionTest, AReconnectingNodeLosesWhatIsNoMore) {
  serve_one();
  play.disconnect(Play::Server::kForgets);
  play.commit({}, {{xds::ResourceType::kListener, "http"}});
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.listeners, IsEmpty());
}

TEST_P(SessionTest, AReconnectingNodeGetsTheDifference) {
  play.commit({cluster("a"), endpoints("a"), cluster("b"), endpoints("b"), routes("web", {"a", "b"}),
               listener("http", {"web"})});
  play.connect();
  play.settle();
  play.disconnect();
  play.commit({cluster("c"), endpoints("c"), routes("web", {"a", "c"}, "v2")},
              {{xds::ResourceType::kCluster, "b"}, {xds::ResourceType::kEndpoints, "b"}});
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.clusters, UnorderedElementsAre(Key("a"), Key("b"), Key("c"))) << "b has its grace";
  EXPECT_EQ(envoy.tables["web"], "routes v2");
  play.advance(21s);
  EXPECT_THAT(envoy.clusters, UnorderedElementsAre(Key("a"), Key("c")));
}

// The rejection of what changed while there was no server comes before the acknowledgement: whoever looks for
// those at fault would have nobody to blame afterwards.
TEST_P(SessionTest, AReconnectingNodeAcknowledgesNothingBeforeItHasAskedForItsRoutes) {
  for (const auto server : {Play::Server::kRemembers, Play::Server::kForgets}) {
    serve_one();
    play.disconnect(server);
    play.commit({routes("web", {"a"}, "bad")});
    play.events.clear();
    play.connect();
    while (play.request_step()) EXPECT_EQ(play.acknowledged(), 0U);  // one type after the other
    EXPECT_EQ(play.acknowledged(), 0U);
    play.settle();
    EXPECT_THAT(play.rejected(), ElementsAre("web"));
    EXPECT_EQ(play.acknowledged(), play.state.commit());
    EXPECT_LT(play.index_of<Rejected>(), play.index_of<Acknowledged>());
    play.disconnect();
  }
}

TEST_P(SessionTest, ARouteTableIsWaitedForOnceAndOnlyWhileItsListenerIsThere) {
  serve_one();
  // The node has taken the listener, and then let go of it by itself.
  envoy.listeners.clear();
  envoy.drain();
  play.settle();
  play.commit({cluster("b"), endpoints("b")});
  play.settle();
  EXPECT_EQ(play.acknowledged(), play.state.commit());
  // A listener that is refused asks for nothing.
  play.commit({routes("api", {"a"}), listener("more", {"api"}, "bad")});
  play.settle();
  EXPECT_EQ(play.acknowledged(), play.state.commit());
}

TEST_P(SessionTest, ARefusedRouteTableLeavesTheOldOneAndIsReported) {
  serve_one();
  play.commit({routes("web", {"a"}, "bad")});
  play.settle();
  EXPECT_EQ(envoy.tables["web"], "routes v1");
  EXPECT_THAT(play.rejected(), ElementsAre("web"));
  const auto& rejected = play.last<Rejected>();
  EXPECT_EQ(rejected.type, xds::ResourceType::kRoutes);
  EXPECT_EQ(rejected.version, routes("web", {"a"}, "bad").version);
  EXPECT_THAT(rejected.message, ::testing::HasSubstr("is bad"));
  EXPECT_EQ(rejected.commit, 2U);
  EXPECT_EQ(rejected.node, "node");
  EXPECT_EQ(play.acknowledged(), 2U);
  EXPECT_LT(play.index_of<Rejected>(), play.index_of<Acknowledged>());

  // It is not tried again, until it changes.
  const int responses = envoy.responses;
  play.commit({endpoints("a", "v2")});
  play.settle();
  EXPECT_EQ(envoy.responses, responses + 1);
  play.commit({routes("web", {"a"}, "v3")});
  play.settle();
  EXPECT_EQ(envoy.tables["web"], "routes v3");
}

TEST_P(SessionTest, TheCulpritsAmongManyAreFoundAndTheOthersLive) {
  std::vector<Resource> all;
  std::vector<std::string> names;
  for (int i = 10; i < 50; ++i) {
    names.push_back(fmt::format("t{}", i));
    all.push_back(routes(names.back(), {}));
  }
  all.push_back(listener("http", names));
  play.commit(all);
  play.connect();
  play.settle();
  EXPECT_EQ(envoy.tables.size(), 40U);

  all.clear();
  for (const std::string& name : names) {
    all.push_back(routes(name, {}, name == "t13" || name == "t37" ? "v2 bad" : "v2"));
  }
  const int responses = envoy.responses;
  play.commit(all);
  play.settle();
  EXPECT_THAT(play.rejected(), UnorderedElementsAre("t13", "t37"));
  for (const std::string& name : names) {
    EXPECT_EQ(envoy.tables[name], name == "t13" || name == "t37" ? "routes v1" : "routes v2") << name;
  }
  EXPECT_LT(envoy.responses - responses, 25) << "by halves";
  EXPECT_EQ(play.acknowledged(), 2U);
}

TEST_P(SessionTest, CulpritsThatAreNamedAreFoundAtOnce) {
  std::vector<Resource> all;
  for (int i = 100; i < 200; ++i) {
    all.push_back(cluster(fmt::format("c{}", i), i == 150 ? "dns bad" : "dns"));
  }
  play.commit(all);
  play.connect();
  play.settle();
  EXPECT_THAT(play.rejected(), ElementsAre("c150"));
  EXPECT_EQ(envoy.clusters.size(), 99U);
  EXPECT_EQ(envoy.responses, 4) << "all, the good, the bad, listeners";
}

TEST_P(SessionTest, ARefusedListenerLeavesTheOldOne) {
  serve_one();
  play.commit({listener("http", {"web"}, "bad"), listener("https", {"web"})});
  play.settle();
  EXPECT_THAT(envoy.listeners, UnorderedElementsAre(Pair("http", "listener v1 routes=web"), Key("https")));
  EXPECT_THAT(play.rejected(), ElementsAre("http"));
}

TEST_P(SessionTest, ARefusalIsRememberedWhenTheNodeComesBack) {
  serve_one();
  play.commit({routes("web", {"a"}, "bad")});
  play.settle();
  play.disconnect();
  play.events.clear();
  const int responses = envoy.responses;
  play.connect();
  play.settle();
  EXPECT_EQ(envoy.responses, responses);
  EXPECT_THAT(play.rejected(), ElementsAre("web")) << "reported on every connection";
  EXPECT_EQ(play.acknowledged(), 2U);
}

// As when a port was taken: nothing about the resource changes.
TEST_P(SessionTest, WhatWasRefusedCanBeTriedAgain) {
  play.commit({listener("http", {}, "bound")});
  envoy.ports_taken = true;
  play.connect();
  play.settle();
  EXPECT_THAT(play.rejected(), ElementsAre("http"));
  EXPECT_FALSE(play.last<Rejected>().holds_another);
  EXPECT_EQ(play.acknowledged(), 1U);

  play.events.clear();
  play.retry(xds::ResourceType::kListener, "http");
  play.settle();
  EXPECT_THAT(play.rejected(), ElementsAre("http")) << "again";
  EXPECT_EQ(play.index_of<Recovered>(), play.events.size());

  play.events.clear();
  envoy.ports_taken = false;
  play.retry(xds::ResourceType::kListener, "http");
  play.settle();
  EXPECT_THAT(envoy.listeners, ElementsAre(Pair("http", "listener bound")));
  EXPECT_THAT(play.rejected(), IsEmpty());
  EXPECT_EQ(play.last<Recovered>().name, "http");

  const int responses = envoy.responses;
  play.retry(xds::ResourceType::kListener, "http");
  play.settle();
  EXPECT_EQ(envoy.responses, responses) << "what is not refused is not tried again";
}

TEST_P(SessionTest, ARefusalSaysWhetherAnotherVersionIsHeld) {
  serve_one();
  envoy.ports_taken = true;
  play.commit({listener("http", {"web"}, "bound")});
  play.settle();
  EXPECT_TRUE(play.last<Rejected>().holds_another);
  play.disconnect();
  play.events.clear();
  play.connect();
  play.settle();
  EXPECT_TRUE(play.last<Rejected>().holds_another) << "the node came back with it";
  play.disconnect();
  play.events.clear();
  envoy = FakeEnvoy(GetParam());
  play.connect();
  EXPECT_TRUE(play.rejected().empty());
  play.settle();
  EXPECT_FALSE(play.last<Rejected>().holds_another) << "a new node has nothing";
}

TEST_P(SessionTest, ANodeThatRestartsGetsTheLastGoodState) {
  serve_one();
  play.commit({routes("web", {"a"}, "bad")});
  play.settle();
  play.disconnect();
  envoy = FakeEnvoy(GetParam());
  play.connect();
  play.settle();
  EXPECT_THAT(envoy.tables, ElementsAre(Pair("web", "routes v1")));
}

TEST_P(SessionTest, ARefusedTablesClustersStayAsLongAsItDoes) {
  play.commit({cluster("a"), endpoints("a"), cluster("b"), endpoints("b"), routes("web", {"b"}),
               listener("http", {"web"})});
  play.connect();
  play.settle();
  play.commit({routes("web", {"a"}, "bad")},
              {{xds::ResourceType::kCluster, "b"}, {xds::ResourceType::kEndpoints, "b"}});
  play.settle();
  play.advance(60s);
  EXPECT_THAT(envoy.clusters, Contains(Key("b")));
  play.commit({routes("web", {"a"}, "v3")});
  play.settle();
  play.advance(21s);
  EXPECT_THAT(envoy.clusters, ElementsAre(Key("a")));
}

TEST_P(SessionTest, RoutesToARefusedClusterWaitAMomentForTheVerdict) {
  serve_one();
  play.commit({cluster("b", "bad"), endpoints("b"), routes("web", {"a", "b"}, "v2")});
  play.settle();
  EXPECT_THAT(play.rejected(), ElementsAre("b"));
  play.advance(999ms);
  EXPECT_EQ(envoy.tables["web"], "routes v1");
  play.advance(1ms);
  EXPECT_EQ(envoy.tables["web"], "routes v2");
  EXPECT_EQ(play.acknowledged(), 2U);
}

TEST_P(SessionTest, RoutesToARefusedClusterThatIsTakenBackNeverGo) {
  serve_one();
  play.commit({cluster("b", "bad"), endpoints("b"), routes("web", {"a", "b"}, "v2")});
  play.settle();
  const int resources = envoy.resources;
  play.commit({routes("web", {"a"})},
              {{xds::ResourceType::kCluster, "b"}, {xds::ResourceType::kEndpoints, "b"}});
  play.advance(2s);
  EXPECT_EQ(envoy.resources, resources);
  EXPECT_EQ(envoy.tables["web"], "routes v1");
  EXPECT_EQ(play.acknowledged(), 3U);
}

TEST_P(SessionTest, RoutesMoveOnUnderAStreamOfRefusedClusters) {
  serve_one();
  std::vector<std::string> names = {"a"};
  for (int i = 100; i < 125; ++i) {
    names.push_back(fmt::format("c{}", i));
    play.commit(
        {cluster(names.back(), "bad"), endpoints(names.back()), routes("web", names, fmt::format("v{}", i))});
    play.advance(100ms);
  }
  EXPECT_NE(envoy.tables["web"], "routes v1");
}

TEST_P(SessionTest, RoutesThatReplaceNothingDoNotWaitForARefusedCluster) {
  play.commit({cluster("b", "bad"), endpoints("b"), routes("web", {"b"}), listener("http", {"web"})});
  play.connect();
  play.settle();
  EXPECT_EQ(envoy.tables["web"], "routes v1");
}

TEST_P(SessionTest, ASecretIsThereBeforeItsListenerServes) {
  serve_one();
  play.commit({listener("https", {"web"}, "secret=cert"), secret("cert")});
  play.settle();
  EXPECT_THAT(envoy.listeners, Contains(Key("https")));
  play.commit({secret("cert", "v2")});
  play.settle();
  EXPECT_EQ(envoy.secrets["cert"], "secret v2");
}

TEST_P(SessionTest, AClusterRemovalWaitsForTablesOfUnknownContent) {
  play.commit({cluster("a"), endpoints("a"), cluster("b"), endpoints("b"), routes("web", {"a", "b"}),
               listener("http", {"web"})});
  play.connect();
  play.settle();
  // The server restarts, with a state in which the node's table is not to be found.
  play.disconnect(Play::Server::kForgets);
  play.commit({routes("web", {"a"}, "bad")},
              {{xds::ResourceType::kCluster, "b"}, {xds::ResourceType::kEndpoints, "b"}});
  play.connect();
  play.settle();
  if (GetParam() == Variant::kSotw) return;  // which cannot tell what it has
  play.advance(60s);
  EXPECT_THAT(envoy.clusters, Contains(Key("b")));
}

TEST(DeltaSessionTest, WhatDoesNotExistIsSaid) {
  Play play(Variant::kDelta);
  play.commit({cluster("a"), endpoints("a"), listener("http", {"none"}, "secret=none")});
  play.connect();
  play.settle();
  EXPECT_THAT(play.envoy.listeners, ElementsAre(Key("http"))) << "it warms with what there is";
  EXPECT_EQ(play.acknowledged(), 1U);
  play.commit({routes("none", {"a"})});
  play.settle();
  EXPECT_THAT(play.envoy.tables, ElementsAre(Key("none")));
}

TEST_P(SessionTest, ANodeThatRefusesEverythingIsLeftInPeace) {
  play.commit({cluster("a", "bad"), endpoints("a", "bad"), cluster("b"), routes("web", {"a"}, "bad"),
               listener("http", {"web", "none"}, "bad")});
  play.connect();
  int answers = 0;
  for (; answers < 1'000 && (play.request_step() || play.server_step()); ++answers) {
    while (auto response = play.take_from_wire()) {
      for (auto type :
           {xds::ResourceType::kListener, xds::ResourceType::kRoutes, xds::ResourceType::kEndpoints}) {
        play.envoy.ask_for(type, {"a", "b", "web", "none"});
      }
      play.envoy.refuse(*response);
    }
  }
  EXPECT_LT(answers, 1'000);
}

// Requests by hand.
class RawSessionTest : public ::testing::Test {
 protected:
  std::optional<Response> next() { return session.next(now); }
  void request(DeltaRequest request) { session.on_request(request, now); }
  static std::vector<std::string> names(const std::optional<Response>& response) {
    std::vector<std::string> result;
    if (response) {
      for (const ResourcePtr& r : response->resources) result.push_back(r->name);
    }
    return result;
  }

  RawSessionTest() {
    state.apply({1, {cluster("a"), cluster("b"), routes("web", {}), secret("s")}, {}});
    session.on_state(&state, now);
  }

  static constexpr auto kCluster = xds::ResourceType::kCluster;
  static constexpr auto kRoutes = xds::ResourceType::kRoutes;
  Time now;
  ProxyState state;
  Options options;
  Session session{Variant::kDelta, "proxy", "node", options};
};

TEST_F(RawSessionTest, TheWildcardHasTwoForms) {
  request({.type = kCluster, .subscribe = {"*"}});
  EXPECT_THAT(names(next()), ElementsAre("a", "b"));
  Session other(Variant::kDelta, "proxy", "node", options);
  other.on_state(&state, now);
  other.on_request(DeltaRequest{.type = kCluster}, now);
  EXPECT_THAT(names(other.next(now)), ElementsAre("a", "b"));
}

TEST_F(RawSessionTest, TheWildcardCanBeLeft) {
  request({.type = kCluster, .subscribe = {"*", "a"}});
  auto response = next();
  EXPECT_THAT(names(response), ElementsAre("a", "b"));
  request({.type = kCluster, .answer = {response->nonce, {}}, .unsubscribe = {"*"}});
  state.apply({2, {cluster("a", "v2"), cluster("b", "v2")}, {}});
  session.on_state(&state, now);
  EXPECT_THAT(names(next()), ElementsAre("a"));
}

TEST_F(RawSessionTest, NamedClustersOnly) {
  request({.type = kCluster, .subscribe = {"b", "none"}});
  auto response = next();
  EXPECT_THAT(names(response), ElementsAre("b"));
  EXPECT_THAT(response->removed, ElementsAre("none"));
}

TEST_F(RawSessionTest, SubscribedAgainIsSentAgain) {
  request({.type = kRoutes, .subscribe = {"web"}});
  auto response = next();
  request({.type = kRoutes, .answer = {response->nonce, {}}});
  EXPECT_FALSE(next());
  request({.type = kRoutes, .subscribe = {"web"}});
  response = next();
  EXPECT_THAT(names(response), ElementsAre("web"));
  request({.type = kRoutes, .answer = {response->nonce, {}}, .unsubscribe = {"web"}});
  EXPECT_FALSE(next());
  request({.type = kRoutes, .subscribe = {"web"}});
  response = next();
  EXPECT_THAT(names(response), ElementsAre("web"));
  // The answer to what was sent before it let go says nothing about what it holds now.
  request({.type = kRoutes, .subscribe = {"web"}, .unsubscribe = {"web"}});
  request({.type = kRoutes, .answer = {response->nonce, {}}});
  EXPECT_THAT(names(next()), ElementsAre("web"));
}

TEST_F(RawSessionTest, OneUnansweredResponseATypeAndForeignNoncesAnswerNothing) {
  request({.type = kRoutes, .subscribe = {"web"}});
  auto response = next();
  ASSERT_TRUE(response);
  state.apply({2, {routes("web", {}, "v2")}, {}});
  session.on_state(&state, now);
  request({.type = kRoutes, .answer = {"77", {}}});
  request({.type = kRoutes, .answer = {"77", "an error"}});
  EXPECT_FALSE(next());
  request({.type = kRoutes, .answer = {response->nonce, {}}});
  EXPECT_THAT(names(next()), ElementsAre("web"));
  request({.type = kRoutes, .answer = {response->nonce, "twice"}});
  EXPECT_FALSE(next());
  EXPECT_THAT(session.take_events(), IsEmpty());
}

TEST_F(RawSessionTest, AStateOfTheWorldAnswerToAnOldNonceIsIgnored) {
  Session sotw(Variant::kSotw, "proxy", "node", options);
  sotw.on_state(&state, now);
  sotw.on_request(SotwRequest{.type = kRoutes, .names = {"web"}}, now);
  auto response = sotw.next(now);
  ASSERT_THAT(names(response), ElementsAre("web"));
  sotw.on_request(SotwRequest{.type = kRoutes, .answer = {"77", {}}, .names = {}}, now);
  sotw.on_request(
      SotwRequest{
          .type = kRoutes, .answer = {response->nonce, {}}, .version = response->version, .names = {"web"}},
      now);
  EXPECT_FALSE(sotw.next(now));
  // An empty list, after one that was not, is no wildcard.
  sotw.on_request(SotwRequest{.type = kRoutes, .answer = {response->nonce, {}}, .version = response->version},
                  now);
  state.apply({2, {routes("web", {}, "v2")}, {}});
  sotw.on_state(&state, now);
  EXPECT_FALSE(sotw.next(now));
}

}  // namespace
}  // namespace sluice::ads

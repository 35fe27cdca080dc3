#include "observe/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::observe {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kClusters = R"({"cluster_statuses": [
  {"name": "service/default/web:80", "host_statuses": [
    {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 8080}},
     "health_status": {"eds_health_status": "HEALTHY"}, "weight": 1},
    {"address": {"socket_address": {"address": "::1", "port_value": 8080}},
     "health_status": {"failed_active_health_check": true, "eds_health_status": "HEALTHY"}},
    {"address": {"pipe": {"path": "/run/x.sock"}},
     "health_status": {"failed_outlier_check": true, "eds_health_status": "HEALTHY"}},
    {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 1}},
     "health_status": {"eds_health_status": "DRAINING"}}]},
  {"name": "empty"}]})";

TEST(ReadClusters, SaysWhyAnEndpointIsNotUsed) {
  const std::optional<ClusterHealth> health = read_clusters(kClusters);
  ASSERT_TRUE(health);
  EXPECT_THAT(health->at("service/default/web:80"),
              ElementsAre(EndpointHealth{"10.0.0.1:8080", true, ""},
                          EndpointHealth{"[::1]:8080", false, "failed its active health check"},
                          EndpointHealth{"/run/x.sock", false, "ejected as an outlier"},
                          EndpointHealth{"10.0.0.2:1", false, "is DRAINING"}));
  EXPECT_THAT(health->at("empty"), IsEmpty());
}

TEST(ReadClusters, OtherTextsAreNone) {
  for (const char* text : {"", "no", "[]", "{}", R"({"cluster_statuses": 1})"})
    EXPECT_FALSE(read_clusters(text));
  EXPECT_TRUE(
      read_clusters(R"({"cluster_statuses": [{"name": 1, "host_statuses": [{"address": []}, 2]}, 3]})"));
}

TEST(HealthWatch, AsksWhenSomebodyLooksAndNotTooOften) {
  std::vector<HealthWatch::Done> asked;
  HealthWatch watch([&](const ir::ProxyKey&, HealthWatch::Done done) { asked.push_back(std::move(done)); });
  HealthWatch::Clock::time_point now = HealthWatch::Clock::now();
  EXPECT_EQ(watch.look("a", now), nullptr);
  EXPECT_EQ(watch.look("a", now + 100ms), nullptr);
  ASSERT_EQ(asked.size(), 1u) << "one question at a time";

  asked[0](std::string(kClusters));
  now += 200ms;
  ASSERT_NE(watch.look("a", now), nullptr);
  EXPECT_NE(watch.look("a", now + 1s), nullptr);
  EXPECT_EQ(asked.size(), 1u);
  EXPECT_NE(watch.look("a", now + 3s), nullptr) << "what was known until there is more";
  ASSERT_EQ(asked.size(), 2u);

  asked[1](std::nullopt);
  EXPECT_EQ(watch.look("a", now + 4s), nullptr) << "what does not answer is not known to be healthy";
  EXPECT_EQ(watch.look("b", now), nullptr);
  EXPECT_EQ(asked.size(), 3u);
  watch.forget_others({"a"});
  asked[2](std::nullopt);  // comes to nobody
}

TEST(HealthWatch, AnAnswerThatDoesNotComeIsNotWaitedForForEver) {
  int asked = 0;
  HealthWatch watch([&](const ir::ProxyKey&, const HealthWatch::Done&) { ++asked; });
  const auto now = HealthWatch::Clock::now();
  watch.look("a", now);
  watch.look("a", now + 20s);
  EXPECT_EQ(asked, 1);
  watch.look("a", now + 40s);
  watch.look("a", now + 71s);
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace sluice::observe

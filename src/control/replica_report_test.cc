// What replicas tell each other of their Envoys, by way of an API server in memory.
#include "control/replica_report.h"

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/replica_reports.h"
#include "control/testing.h"
#include "control/verdicts.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"
#include "source/scratch_folder.h"

namespace sluice::control {
namespace {

using kube_testing::ApiServer;
using nlohmann::json;
using ::testing::ElementsAre;

constexpr char kGateway[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec: {gatewayClassName: class, listeners: [{name: a, port: 8001, protocol: HTTP}]}
)";

std::string route(const std::string& path) {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web, namespace: default}}
spec: {{parentRefs: [{{name: gw}}], rules: [{{matches: [{{path: {{value: {}}}}}]}}]}}
)",
                     path);
}

// A replica's pipeline, and what it makes of refusals.
class Replica : public YamlPipeline {
 public:
  Replica() {
    feed(kGateway);
    feed(route("/bad"));
    commit();
  }
  using YamlPipeline::feed;
  void commit() {
    pipeline_.commit();
    verdicts_.committed(++commit_);
    if (verdicts_.take_dirty()) pipeline_.commit();
  }
  void hear(const std::string& replica, std::optional<ReplicaReport> report) {
    verdicts_.heard(replica, std::move(report));
    commit();
  }
  std::string condition() const {
    const auto* its = status(api::kind_of<api::HTTPRoute>(), {"default", "web"});
    const auto* accepted = translate::find_condition(its->parents.at(0).second, "Accepted");
    return accepted == nullptr || accepted->status ? "" : accepted->message;
  }

  ObjectKey route_key() const { return {api::kind_of<api::HTTPRoute>(), {"default", "web"}}; }
  ReplicaReport refusal_of_route(const std::string& message) const {
    ReplicaReport report;
    report.refusals[route_key()] = std::make_shared<const Refusal>(
        Refusal{.refused = *pipeline_.object(route_key()), .message = message});
    return report;
  }

  Verdicts& verdicts() { return verdicts_; }
  Pipeline& pipeline() { return pipeline_; }

 private:
  void TestBody() override {}
  source::ScratchFolder folder_;
  ProblemLog problems_;
  Verdicts verdicts_{
      folder_ / "",
      pipeline_,
      problems_,
      {.is_whole = [](const ObjectKey&) { return true; }, .held_back = [](const ObjectKey&) {}}};
  std::uint64_t commit_ = 0;
};

TEST(ReplicaReport, IsReadAsItWasWritten) {
  Replica replica;
  ReplicaReport report = replica.refusal_of_route("bad regex");
  report.acknowledged = {"default/gw", "default/other"};
  report.resources = {{.type = xds::ResourceType::kSecret,
                       .key = {"default/gw", "secret/default/x"},
                       .node = "pod",
                       .version = 0xFFFF'FFFF'FFFF'FFFF,
                       .words = "no \"key\""}};
  report.unserved = {{.type = xds::ResourceType::kListener,
                      .key = {"default/gw", "tcp/80"},
                      .why = {.address = "0.0.0.0:80", .words = "Address already in use", .another = true}}};
  const ReplicaReport read = read_report(write_report(report));
  EXPECT_EQ(read.unserved, report.unserved);
  EXPECT_EQ(read.acknowledged, report.acknowledged);
  EXPECT_EQ(read.resources, report.resources);
  ASSERT_EQ(read.refusals.size(), 1);
  EXPECT_EQ(read.refusals.begin()->second->message, "bad regex");
  EXPECT_TRUE(api::equal(read.refusals.begin()->second->refused, report.refusals.begin()->second->refused));
}

TEST(ReplicaReport, HasABound) {
  Replica replica;
  ReplicaReport report;
  for (int i = 0; i < 700; ++i) {
    report.refusals[{api::kind_of<api::HTTPRoute>(), {"default", fmt::format("r{}", i)}}] =
        std::make_shared<const Refusal>(Refusal{.refused = *replica.pipeline().object(replica.route_key()),
                                                .message = std::string(1'000, 'x')});
  }
  EXPECT_LE(write_report(report)["refusals"].get<std::string>().size(), kLongestRefusals);
  EXPECT_GT(write_report(report)["refusals"].get<std::string>().size(), kLongestRefusals / 4);
}

TEST(ReplicaReport, WhatIsNoneSaysNothing) {
  EXPECT_TRUE(read_report({{"acknowledged", "{"}, {"refusals", "- x"}, {"resources", 7}}).empty());
  EXPECT_TRUE(read_report(nullptr).empty());
}

// ---- what a replica makes of it ----------------------------------------------------------------

TEST(HeardReport, AnObjectThatAnotherRefusesIsHeldBackHere) {
  Replica replica;
  EXPECT_EQ(replica.condition(), "");
  replica.hear("other", replica.refusal_of_route("bad regex"));
  EXPECT_THAT(replica.condition(), ::testing::HasSubstr("bad regex"));
}

TEST(HeardReport, WhatItSaysNoMoreEnds) {
  Replica replica;
  replica.hear("other", replica.refusal_of_route("bad regex"));
  replica.hear("other", ReplicaReport{});
  EXPECT_EQ(replica.condition(), "");
}

TEST(HeardReport, WhatAGoneReplicaSaidIsKept) {
  Replica replica;
  replica.hear("other", replica.refusal_of_route("bad regex"));
  replica.hear("other", std::nullopt);
  EXPECT_THAT(replica.condition(), ::testing::HasSubstr("bad regex"));
  EXPECT_EQ(replica.verdicts().report().refusals.size(), 1);
}

TEST(HeardReport, WhatOthersSayIsNotSaidAgain) {
  Replica replica;
  replica.hear("other", replica.refusal_of_route("bad regex"));
  EXPECT_TRUE(replica.verdicts().report().empty());
}

TEST(HeardReport, AVersionThatNobodyRefusedIsServed) {
  Replica replica;
  replica.hear("other", replica.refusal_of_route("bad regex"));
  replica.feed(route("/good"));
  replica.commit();
  EXPECT_EQ(replica.condition(), "");
}

TEST(HeardReport, OneThatDoesNotChangeMakesNothingToDo) {
  Replica replica;
  ReplicaReport report;
  const auto& clusters = replica.pipeline().resources(xds::ResourceType::kListener);
  for (const auto& key : clusters.sorted_keys()) {
    report.resources.push_back({.type = xds::ResourceType::kListener,
                                .key = key,
                                .node = "pod",
                                .version = clusters.get(key)->version,
                                .words = "no"});
  }
  ASSERT_FALSE(report.resources.empty());
  replica.hear("other", report);
  replica.verdicts().committed(100);
  EXPECT_FALSE(replica.verdicts().take_dirty());
}

// ---- by way of the API server ------------------------------------------------------------------

const kube_testing::ServedResource kConfigMaps{
    .group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap", .built_in = true};

class ReplicaReportsTest : public testing::Test {
 protected:
  using Heard = std::pair<std::string, std::optional<ReplicaReport>>;

  std::unique_ptr<ReplicaReports> start(const std::string& name, const std::string& controller = "c") {
    return std::make_unique<ReplicaReports>(
        client_,
        ReplicaName{.name_space = "ns", .controller_name = controller, .name = name, .pod_uid = "u-" + name},
        [this, name](const std::string& replica, std::optional<ReplicaReport> report) {
          heard_.add({name + " hears " + replica, std::move(report)});
        });
  }
  static ReplicaReport serving(const std::string& proxy) {
    return {.acknowledged = {proxy}, .refusals = {}, .resources = {}};
  }

  ApiServer server_{{kConfigMaps}};
  kube::Client client_{kube::local_access(server_.port())};
  kube::Told<Heard> heard_;
};

TEST_F(ReplicaReportsTest, AnotherReplicaHears) {
  const auto a = start("a");
  const auto b = start("b");
  b->tell(serving("default/web"));
  const Heard heard = heard_.next().value();
  EXPECT_EQ(heard.first, "a hears sluice-report-b");
  EXPECT_THAT(heard.second->acknowledged, ElementsAre("default/web"));
}

TEST_F(ReplicaReportsTest, AReplicaThatStartsHearsWhatWasSaidBefore) {
  const auto b = start("b");
  b->tell(serving("default/web"));
  ASSERT_TRUE(kube::eventually([this] { return server_.count("ConfigMap") == 1; }));
  const auto a = start("a");
  EXPECT_EQ(heard_.next()->first, "a hears sluice-report-b");
}

TEST_F(ReplicaReportsTest, AReplicaThatIsGoneIsHeardOf) {
  const auto a = start("a");
  const auto b = start("b");
  b->tell(serving("default/web"));
  ASSERT_TRUE(heard_.next()->second);
  server_.remove("ConfigMap", "ns", "sluice-report-b");
  EXPECT_FALSE(heard_.next()->second);
}

TEST_F(ReplicaReportsTest, APodOwnsItsReport) {
  const auto b = start("b");
  b->tell(serving("default/web"));
  ASSERT_TRUE(kube::eventually([this] { return server_.count("ConfigMap") == 1; }));
  const json owner = server_.get("ConfigMap", "ns", "sluice-report-b")["metadata"]["ownerReferences"][0];
  EXPECT_EQ(owner["kind"], "Pod");
  EXPECT_EQ(owner["name"], "b");
  EXPECT_EQ(owner["uid"], "u-b");
}

TEST_F(ReplicaReportsTest, WhatAnEarlierProcessLeftIsTakenBack) {
  auto first = start("b");
  first->tell(serving("default/web"));
  ASSERT_TRUE(kube::eventually([this] { return server_.count("ConfigMap") == 1; }));
  first = nullptr;
  const auto second = start("b");
  second->tell({});
  EXPECT_TRUE(kube::eventually([this] { return server_.count("ConfigMap") == 0; }));
}

TEST_F(ReplicaReportsTest, OtherControllersAreNotHeard) {
  const auto a = start("a");
  const auto other = start("other", "another controller");
  other->tell(serving("default/x"));
  ASSERT_TRUE(kube::eventually([this] { return server_.count("ConfigMap") == 1; }));
  const auto b = start("b");
  b->tell(serving("default/web"));
  EXPECT_EQ(heard_.next()->first, "a hears sluice-report-b");
}

}  // namespace
}  // namespace sluice::control

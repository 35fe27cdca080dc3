// The source, the pipeline and the writer of statuses together, with an API server in memory.
#include "control/cluster.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kube/testing.h"
#include "kube/testing/api_server.h"
#include "source/cluster/testing/served_kinds.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::Json;

constexpr char kController[] = "example.com/sluice";

Json gateway_class() {
  return {{"kind", "GatewayClass"},
          {"metadata", {{"name", "class"}}},
          {"spec", {{"controllerName", kController}}}};
}

Json gateway() {
  return {{"kind", "Gateway"},
          {"metadata", {{"name", "web"}, {"namespace", "default"}}},
          {"spec",
           {{"gatewayClassName", "class"},
            {"listeners", {{{"name", "http"}, {"port", 8080}, {"protocol", "HTTP"}}}}}}};
}

Json route(const std::string& name) {
  return {{"kind", "HTTPRoute"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec",
           {{"parentRefs", {{{"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}, {"name", "web"}}}},
            {"hostnames", {name + ".example"}}}}};
}

Json entry_of_another() {
  return {{"parentRef", {{"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}, {"name", "other"}}},
          {"controllerName", "example.com/other"},
          {"conditions", Json::array()}};
}

class ControlClusterTest : public testing::Test {
 protected:
  ControlClusterTest() {
    provider_.elects = false;
    provider_.writes.rate = 10'000;
    provider_.writes.burst = 10'000;
    provider_.writes.first = 5ms;
    settings_.controller_name = kController;
    server_.put(gateway_class());
    server_.put(gateway());
  }
  ~ControlClusterTest() override {
    source_.reset();
    cluster_.reset();
  }

  void start() {
    provider_.access = kube::local_access(server_.port());
    pipeline_ = std::make_unique<Pipeline>(settings_);
    cluster_ = std::make_unique<Cluster>(
        provider_, kController,
        Cluster::Hooks{.on_batch = [this](source::Batch batch) { batches_.add(std::move(batch)); },
                       .on_waiting = [](const std::vector<Problem>&) {},
                       .on_leads = [this](bool leads) { leads_ = leads; },
                       .on_election = [this](Problem problem) { elections_.add(std::move(problem)); }});
    source_ = cluster_->watch(*pipeline_);
  }

  // As the control loop does it.
  void take(const source::Batch& batch) {
    bool other = !batch.deleted.empty() || !begun_;
    for (const auto& object : batch.upserted) other = pipeline_->upsert(object) || other;
    for (const ObjectKey& object : batch.deleted) pipeline_->erase(object);
    begun_ = true;
    if (!other) return;
    ++commits_;
    commit();
    // Proxies are known to be wanted, and not to run, from the first commit on.
    bool news = false;
    for (const ir::ProxyKey& proxy : pipeline_->proxies().sorted_keys()) {
      if (!proxies_.insert(proxy).second) continue;
      pipeline_->set_proxy_state(proxy, {false, false, ""});
      news = true;
    }
    if (news) commit();
  }
  void commit() {
    pipeline_->commit();
    cluster_->committed(*pipeline_, /*complete=*/true);
    pipeline_->forget_changes();
  }
  // Goes on until it holds; false where it does not in time.
  template <typename Holds>
  bool until(const Holds& holds, std::chrono::milliseconds limit = 20s) {
    for (const auto end = std::chrono::steady_clock::now() + limit; !holds();) {
      if (std::chrono::steady_clock::now() >= end) return false;
      if (const auto batch = batches_.next(2ms)) take(*batch);
    }
    return true;
  }
  // Goes on for a while in which everything that may follow does.
  void settle() {
    until([] { return false; }, 300ms);
  }

  Json status(const std::string& kind, const std::string& name,
              const std::string& name_space = "default") const {
    const Json object = server_.get(kind, name_space, name);
    return object.is_object() ? object.value("status", Json()) : Json();
  }
  bool route_has_status(const std::string& name) const {
    const Json now = status("HTTPRoute", name);
    return now.is_object() && std::ranges::any_of(now["parents"], [](const Json& entry) {
             return entry["controllerName"] == kController;
           });
  }
  int attached() const {
    const Json now = status("Gateway", "web");
    return now.is_object() && now.contains("listeners") ? now["listeners"][0]["attachedRoutes"].get<int>()
                                                        : -1;
  }
  std::size_t writes(const std::string& part = "/status") const {
    return static_cast<std::size_t>(std::ranges::count_if(server_.requests(), [&](const auto& request) {
      return request.method == "PATCH" && request.target.contains(part);
    }));
  }

  ApiServer server_{source_testing::all_kinds_and_leases()};
  ClusterProvider provider_;
  translate::Settings settings_;
  std::unique_ptr<Pipeline> pipeline_;
  kube::Told<source::Batch> batches_;
  kube::Told<Problem> elections_;
  std::atomic<bool> leads_ = false;
  bool begun_ = false;
  int commits_ = 0;  // for batches
  std::set<ir::ProxyKey> proxies_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<source::Source> source_;
};

TEST_F(ControlClusterTest, StatusesAreWrittenWithTheGenerationTheyAreOf) {
  server_.put(route("a"));
  Json changed = route("a");
  changed["spec"]["hostnames"] = {"b.example"};
  server_.put(changed);
  start();
  ASSERT_TRUE(until([&] { return route_has_status("a") && attached() == 1; }));
  const Json condition = status("HTTPRoute", "a")["parents"][0]["conditions"][0];
  EXPECT_EQ(condition["observedGeneration"], 2);
  EXPECT_EQ(condition["status"], "True");
  EXPECT_THAT(condition["lastTransitionTime"].get<std::string>(), testing::StartsWith("20"));
}

TEST_F(ControlClusterTest, AClassThatIsOursIsAcceptedAndClaimsFeatures) {
  start();
  ASSERT_TRUE(until([&] { return !status("GatewayClass", "class", "").is_null(); }));
  EXPECT_EQ(status("GatewayClass", "class", "")["conditions"][0]["type"], "Accepted");
  EXPECT_FALSE(status("GatewayClass", "class", "")["supportedFeatures"].empty());
}

TEST_F(ControlClusterTest, EntriesOfOtherControllersStay) {
  Json made = route("a");
  made["status"] = {{"parents", {entry_of_another()}}};
  server_.put(made);
  start();
  ASSERT_TRUE(until([&] { return route_has_status("a"); }));
  EXPECT_EQ(status("HTTPRoute", "a")["parents"][0], entry_of_another());
}

TEST_F(ControlClusterTest, AnEntryThatAnotherAddsMeanwhileStays) {
  server_.fail({.method = "PATCH", .in_target = "/httproutes/", .delay = 200ms});
  server_.put(route("a"));
  start();
  ASSERT_TRUE(until([&] { return writes("/httproutes/") == 1; }));
  Json theirs = server_.get("HTTPRoute", "default", "a");
  theirs["status"] = {{"parents", {entry_of_another()}}};
  server_.put(theirs);
  ASSERT_TRUE(until([&] { return route_has_status("a"); }));
  EXPECT_EQ(status("HTTPRoute", "a")["parents"][0], entry_of_another());
}

TEST_F(ControlClusterTest, WhatWeWroteIsNotWrittenAgainAndMakesNoCommit) {
  server_.put(route("a"));
  start();
  ASSERT_TRUE(until([&] { return route_has_status("a") && attached() == 1; }));
  settle();
  EXPECT_EQ(writes("/httproutes/"), 1U);
  EXPECT_EQ(writes("/gateways/"), 1U);
  EXPECT_EQ(writes("/gatewayclasses/"), 1U);
  EXPECT_EQ(commits_, 1);
}

TEST_F(ControlClusterTest, ARestartWritesNothing) {
  server_.put(route("a"));
  start();
  ASSERT_TRUE(until([&] { return route_has_status("a") && attached() == 1; }));
  settle();
  source_.reset();
  cluster_.reset();
  server_.forget_requests();
  begun_ = false;
  proxies_.clear();
  start();
  settle();
  EXPECT_EQ(commits_, 2);
  EXPECT_EQ(writes(), 0U);
}

TEST_F(ControlClusterTest, WhatSomebodyElseChangedIsPutRight) {
  start();
  ASSERT_TRUE(until([&] { return attached() == 0; }));
  settle();
  Json changed = server_.get("Gateway", "default", "web");
  const Json right = changed["status"];
  changed["status"]["listeners"][0]["attachedRoutes"] = 7;
  server_.put(changed);
  EXPECT_TRUE(until([&] { return attached() == 0; }));
}

TEST_F(ControlClusterTest, ManyRoutesCostFewWritesOfTheirGateway) {
  start();
  ASSERT_TRUE(until([&] { return attached() == 0; }));
  server_.forget_requests();
  constexpr int kRoutes = 300;
  for (int i = 0; i < kRoutes; ++i) server_.put(route(fmt::format("r{}", i)));
  ASSERT_TRUE(until([&] { return attached() == kRoutes && writes("/httproutes/") >= kRoutes; }, 60s));
  settle();
  EXPECT_LE(writes("/gateways/"), 30U);  // 5, where nobody else uses the machine
  EXPECT_EQ(writes("/httproutes/"), std::size_t{kRoutes});
}

TEST_F(ControlClusterTest, AGatewayDoesNotWaitForItsRoutes) {
  provider_.writes.rate = 2;
  provider_.writes.burst = 2;
  for (int i = 0; i < 50; ++i) server_.put(route(fmt::format("r{}", i)));
  start();
  ASSERT_TRUE(until([&] { return attached() == 50; }));
  EXPECT_LT(writes("/httproutes/"), 20U);
}

TEST_F(ControlClusterTest, AStartDoesNotTakeBackAtOnceThatAGatewayIsProgrammed) {
  provider_.patience = 300ms;
  Json made = gateway();
  made["status"] = {{"conditions", {{{"type", "Programmed"}, {"status", "True"}}}}};
  server_.put(made);
  start();
  ASSERT_TRUE(until([&] { return !status("GatewayClass", "class", "").is_null(); }));
  EXPECT_EQ(writes("/gateways/"), 0U);
  EXPECT_TRUE(until([&] { return attached() == 0; }));
}

TEST_F(ControlClusterTest, OurEntryGoesWithTheParent) {
  Json made = route("a");
  made["status"] = {{"parents", {entry_of_another()}}};
  server_.put(made);
  start();
  ASSERT_TRUE(until([&] { return route_has_status("a"); }));
  Json changed = server_.get("HTTPRoute", "default", "a");
  changed["spec"]["parentRefs"][0]["name"] = "other";
  server_.put(changed);
  ASSERT_TRUE(until([&] { return !route_has_status("a"); }));
  EXPECT_EQ(status("HTTPRoute", "a")["parents"], Json::array({entry_of_another()}));
}

TEST_F(ControlClusterTest, WhatAServerDoesNotKeepIsNotWrittenForEver) {
  server_.put(route("a"));
  Json kept = server_.get("HTTPRoute", "default", "a");
  server_.fail({.method = "PATCH", .in_target = "/httproutes/", .body = kept.dump()});
  start();
  ASSERT_TRUE(until([&] { return writes("/httproutes/") == 1; }));
  settle();
  Json changed = server_.get("HTTPRoute", "default", "a");
  changed["metadata"]["labels"] = {{"a", "b"}};
  server_.put(changed);
  settle();
  EXPECT_EQ(writes("/httproutes/"), 1U);
}

TEST_F(ControlClusterTest, AStatusThatTheServerRefusesIsWrittenWhenItChanges) {
  server_.put(route("a"));
  server_.fail({.method = "PATCH", .in_target = "/httproutes/", .status = 422, .reason = "Invalid"});
  start();
  ASSERT_TRUE(until([&] { return writes("/httproutes/") == 1; }));
  settle();
  EXPECT_EQ(writes("/httproutes/"), 1U);
  Json changed = route("a");
  changed["spec"]["hostnames"] = {"b.example"};
  server_.put(changed);
  EXPECT_TRUE(until([&] { return route_has_status("a"); }));
}

class ElectedTest : public ControlClusterTest {
 protected:
  ElectedTest() {
    provider_.elects = true;
    provider_.lease.lease_duration = 1s;
    provider_.lease.renew_deadline = 500ms;
    provider_.lease.retry_period = 50ms;
  }
};

TEST_F(ElectedTest, OneReplicaLeadsAndWrites) {
  start();
  EXPECT_TRUE(until([&] { return leads_ && attached() == 0; }));
  EXPECT_FALSE(server_.get("Lease", "default", lease_name(kController)).is_null());
}

TEST_F(ElectedTest, AFollowerWritesNothingUntilItLeads) {
  server_.put({{"kind", "Lease"},
               {"metadata", {{"name", lease_name(kController)}, {"namespace", "default"}}},
               {"spec",
                {{"holderIdentity", "somebody"},
                 {"leaseDurationSeconds", 3600},
                 {"renewTime", "2026-01-01T00:00:00.000000Z"},
                 {"leaseTransitions", 1}}}});
  start();
  ASSERT_TRUE(until([&] { return commits_ > 0; }));
  settle();
  EXPECT_FALSE(leads_);
  EXPECT_EQ(writes(), 0U);
  server_.remove("Lease", "default", lease_name(kController));
  EXPECT_TRUE(until([&] { return attached() == 0; }));
}

TEST_F(ElectedTest, AnExitLetsAnotherLeadAtOnce) {
  start();
  ASSERT_TRUE(until([&] { return leads_.load(); }));
  source_.reset();
  cluster_.reset();
  EXPECT_EQ(server_.get("Lease", "default", lease_name(kController))["spec"].value("holderIdentity", ""), "");
}

TEST_F(ElectedTest, WhyThereIsNoElectionIsTold) {
  server_.fail({.in_target = "/leases", .times = -1, .status = 403, .reason = "Forbidden"});
  start();
  const auto told = elections_.next();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->code, "cluster/election");
  EXPECT_THAT(told->message, testing::HasSubstr("403"));
}

TEST(LeaseName, IsOfTheControllersName) {
  EXPECT_EQ(lease_name("gateway.envoyproxy.io/gatewayclass-controller"),
            "sluice.gateway.envoyproxy.io-gatewayclass-controller");
}

}  // namespace
}  // namespace sluice::control

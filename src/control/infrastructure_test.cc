// Envoys in a cluster: their objects, and what becomes of them, with an API server in memory.
#include "control/infrastructure.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/cluster.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"
#include "source/cluster/testing/served_kinds.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word
using kube_testing::ApiServer;
using kube_testing::Json;

constexpr char kController[] = "example.com/sluice";
constexpr char kSystem[] = "system";
constexpr char kName[] = "envoy-default-web-82b3ade9";

Json gateway(const std::string& name = "web") {
  return {{"kind", "Gateway"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec",
           {{"gatewayClassName", "class"},
            {"listeners", {{{"name", "http"}, {"port", 80}, {"protocol", "HTTP"}}}},
            {"infrastructure",
             {{"parametersRef",
               {{"group", "gateway.envoyproxy.io"}, {"kind", "EnvoyProxy"}, {"name", "settings"}}}}}}}};
}

Json envoy_proxy(const Json& kubernetes = Json::object()) {
  return {{"kind", "EnvoyProxy"},
          {"metadata", {{"name", "settings"}, {"namespace", "default"}}},
          {"spec", {{"provider", {{"type", "Kubernetes"}, {"kubernetes", kubernetes}}}}}};
}

struct Mode {
  bool elects = false;
  bool apart = false;      // Envoys are with their Gateways
  bool was_apart = false;  // as ClusterProvider::ran_with_gateways
  std::vector<std::string> namespaces = {};
};

// One replica of the control plane.
class Replica {
 public:
  Replica(const ApiServer& server, const Mode& mode) {
    provider_.access = kube::local_access(server.port());
    provider_.access.name_space = kSystem;
    provider_.elects = mode.elects;
    provider_.namespaces = mode.namespaces;
    provider_.ran_with_gateways = mode.was_apart;
    provider_.lease.lease_duration = 2s;
    provider_.lease.renew_deadline = 1'500ms;
    provider_.lease.retry_period = 100ms;
    provider_.writes.rate = 10'000;
    provider_.writes.burst = 10'000;
    provider_.writes.first = 5ms;
    provider_.patience = 0ms;
    infra::Settings& settings = provider_.infrastructure.emplace();
    settings.controller_namespace = kSystem;
    settings.controller = infra::controller_label(kController);
    if (mode.apart) {
      settings.mode = infra::Mode::kGatewayNamespace;
      settings.ca_pem = "a certificate";
    }
    translate::Settings translated;
    translated.controller_name = kController;
    translated.on_host = false;
    pipeline_ = std::make_unique<Pipeline>(translated);
    pipeline_->set_infrastructure(settings);
    cluster_ = std::make_unique<Cluster>(
        provider_, kController,
        Cluster::Hooks{
            .on_batch = [this](source::Batch batch) { told_.add(std::move(batch)); },
            .on_waiting = [](const std::vector<Problem>&) {},
            .on_leads = [this](bool leads) { leads_ = leads; },
            .on_election = [](const Problem&) {},
            .infrastructure =
                {.on_installations = [this](Inventory::Installations news) { told_.add(std::move(news)); },
                 .on_nodes = [this](translate::NodeAddresses nodes) { told_.add(std::move(nodes)); },
                 .on_problems = [this](std::vector<Problem> problems) { told_.add(std::move(problems)); }}});
    source_ = cluster_->watch(*pipeline_);
  }
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;
  ~Replica() {
    source_.reset();
    cluster_.reset();
  }

  // Goes on, as the control loop does, until there is nothing to take.
  void go_on() {
    bool dirty = false;
    while (const auto told = told_.next(1ms)) {
      std::visit([&](const auto& what) { dirty = take(what) || dirty; }, *told);
    }
    if (!dirty || !begun_) return;
    pipeline_->commit();
    cluster_->committed(*pipeline_, /*complete=*/true);
    for (const auto& change : pipeline_->proxies().changes()) {
      if (change.after == nullptr) cluster_->release(change.key);
    }
    pipeline_->forget_changes();
  }
  bool leads() const { return leads_; }
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  bool take(const source::Batch& batch) {
    for (const auto& object : batch.upserted) pipeline_->upsert(object);
    for (const ObjectKey& object : batch.deleted) pipeline_->erase(object);
    begun_ = true;
    return true;
  }
  bool take(const Inventory::Installations& news) {
    for (const auto& [proxy, installation] : news) pipeline_->set_installation(proxy, installation);
    return true;
  }
  bool take(const translate::NodeAddresses& nodes) {
    pipeline_->set_node_addresses(nodes);
    return true;
  }
  bool take(const std::vector<Problem>& problems) {
    problems_ = problems;
    return false;
  }

  ClusterProvider provider_;
  std::unique_ptr<Pipeline> pipeline_;
  kube::Told<
      std::variant<source::Batch, Inventory::Installations, translate::NodeAddresses, std::vector<Problem>>>
      told_;
  std::atomic<bool> leads_ = false;
  std::vector<Problem> problems_;
  bool begun_ = false;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<source::Source> source_;
};

class InfrastructureTest : public testing::Test {
 protected:
  InfrastructureTest() {
    server_.put({{"kind", "GatewayClass"},
                 {"metadata", {{"name", "class"}}},
                 {"spec", {{"controllerName", kController}}}});
    server_.put(envoy_proxy());
    server_.put(gateway());
  }

  Replica& start(const Mode& mode = {}) {
    return *replicas_.emplace_back(std::make_unique<Replica>(server_, mode));
  }
  // The same, after the one that runs has ended.
  Replica& restart(const Mode& mode) {
    replicas_.clear();
    return start(mode);
  }
  // Goes on until it holds; false where it does not in time.
  template <typename Holds>
  bool until(const Holds& holds, std::chrono::milliseconds limit = 20s) {
    for (const auto end = std::chrono::steady_clock::now() + limit; !holds();) {
      if (std::chrono::steady_clock::now() >= end) return false;
      for (const auto& replica : replicas_) replica->go_on();
    }
    return true;
  }
  void settle() {
    until([] { return false; }, 300ms);
  }

  Json get(const std::string& kind, const std::string& name = kName) const {
    return server_.get(kind, kSystem, name);
  }
  bool has(const std::string& kind, const std::string& name = kName) const {
    return !get(kind, name).is_null();
  }
  // The same, of what is with the Gateway.
  bool has_beside(const std::string& kind) const { return !server_.get(kind, "default", "web").is_null(); }
  bool has_all_beside() const {
    return has_beside("ServiceAccount") && has_beside("ConfigMap") && has_beside("Deployment") &&
           has_beside("Service");
  }
  void change(const std::string& kind, const Json& patch) {
    Json object = get(kind);
    object.merge_patch(patch);
    server_.put(object);
  }
  // As a cluster's own controllers would.
  void give_address() {
    change("Service", {{"status", {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.1"}}}}}}}}});
  }
  void start_pods() { change("Deployment", {{"status", {{"replicas", 1}, {"availableReplicas", 1}}}}); }

  // "False/NoResources", or "".
  std::string programmed() const {
    const Json object = server_.get("Gateway", "default", "web");
    for (const Json& condition : object.value("/status/conditions"_json_pointer, Json::array())) {
      if (condition["type"] != "Programmed") continue;
      return fmt::format("{}/{}", condition["status"].get<std::string>(),
                         condition["reason"].get<std::string>());
    }
    return "";
  }
  std::size_t writes() const {
    return static_cast<std::size_t>(std::ranges::count_if(server_.requests(), [](const auto& request) {
      return request.method != "GET" && !request.target.contains("/leases");
    }));
  }

  ApiServer server_{source_testing::all_kinds_of_a_cluster()};
  std::vector<std::unique_ptr<Replica>> replicas_;
};

TEST_F(InfrastructureTest, AGatewayGetsItsObjects) {
  start();
  ASSERT_TRUE(until(
      [&] { return has("ServiceAccount") && has("ConfigMap") && has("Deployment") && has("Service"); }));
  EXPECT_EQ(get("Service")["spec"]["ports"][0]["targetPort"], 10'080);
}

TEST_F(InfrastructureTest, EachObjectIsWrittenOnceAndNothingIsWrong) {
  const Replica& replica = start();
  ASSERT_TRUE(until([&] { return has("Service"); }));
  settle();
  const auto requests = server_.requests();
  EXPECT_EQ(std::ranges::count_if(requests,
                                  [](const auto& request) {
                                    return request.method == "PATCH" && !request.target.contains("/status");
                                  }),
            4);
  EXPECT_THAT(replica.problems(), testing::IsEmpty());
}

TEST_F(InfrastructureTest, AGatewayIsProgrammedWhenItHasAnAddressAndPods) {
  start();
  ASSERT_TRUE(until([&] { return has("Service") && programmed() == "False/AddressNotAssigned"; }))
      << programmed();
  give_address();
  ASSERT_TRUE(until([&] { return programmed() == "False/NoResources"; })) << programmed();
  start_pods();
  ASSERT_TRUE(until([&] { return programmed() == "True/Programmed"; })) << programmed();
  EXPECT_EQ(server_.get("Gateway", "default", "web")["status"]["addresses"],
            Json::parse(R"([{"type": "IPAddress", "value": "192.0.2.1"}])"));
}

TEST_F(InfrastructureTest, DriftIsRepaired) {
  start();
  ASSERT_TRUE(until([&] { return has("Service"); }));
  settle();
  change("Service", {{"spec", {{"externalTrafficPolicy", "Cluster"}}}});
  EXPECT_TRUE(until([&] { return get("Service")["spec"]["externalTrafficPolicy"] == "Local"; }));
}

TEST_F(InfrastructureTest, WhatSomebodyDeletesComesBack) {
  start();
  ASSERT_TRUE(until([&] { return has("Deployment"); }));
  settle();
  server_.remove("Deployment", kSystem, kName);
  EXPECT_TRUE(until([&] { return has("Deployment"); }));
}

TEST_F(InfrastructureTest, ObjectsOfAGatewayThatIsGoneAreDeleted) {
  start();
  ASSERT_TRUE(until([&] { return has("Service") && has("Deployment"); }));
  server_.remove("Gateway", "default", "web");
  EXPECT_TRUE(until(
      [&] { return !has("ServiceAccount") && !has("ConfigMap") && !has("Deployment") && !has("Service"); }));
}

TEST_F(InfrastructureTest, WhatAPredecessorLeftIsDeletedAndNothingOfOthers) {
  const auto left = [](const std::string& name, const Json& labels) -> Json {
    return {{"kind", "Service"}, {"metadata", {{"name", name}, {"namespace", kSystem}, {"labels", labels}}}};
  };
  server_.put(left("ours", {{infra::kControllerLabel, infra::controller_label(kController)},
                            {"gateway.envoyproxy.io/owning-gateway-name", "gone"},
                            {"gateway.envoyproxy.io/owning-gateway-namespace", "default"}}));
  server_.put(left("theirs", {{"app.kubernetes.io/managed-by", "envoy-gateway"},
                              {"gateway.envoyproxy.io/owning-gateway-name", "gone"},
                              {"gateway.envoyproxy.io/owning-gateway-namespace", "default"}}));
  start();
  ASSERT_TRUE(until([&] { return !has("Service", "ours"); }));
  settle();
  EXPECT_TRUE(has("Service", "theirs"));
}

TEST_F(InfrastructureTest, NothingIsWrittenThatChangesNothing) {
  start();
  ASSERT_TRUE(until([&] { return has("Service") && programmed() == "False/AddressNotAssigned"; }));
  settle();
  server_.forget_requests();
  change("Deployment", {{"status", {{"replicas", 1}}}});
  change("Service", {{"metadata", {{"annotations", {{"of", "somebody"}}}}}});
  settle();
  EXPECT_EQ(writes(), 0u);
}

TEST_F(InfrastructureTest, AnAutoscalersReplicasAreItsOwn) {
  server_.put(envoy_proxy({{"envoyHpa", {{"maxReplicas", 5}}}}));
  start();
  ASSERT_TRUE(until([&] { return has("HorizontalPodAutoscaler") && has("Deployment"); }));
  settle();
  change("Deployment", {{"spec", {{"replicas", 4}}}});
  settle();
  EXPECT_EQ(get("Deployment")["spec"]["replicas"], 4);
}

TEST_F(InfrastructureTest, AnObjectThatIsNotWantedAnyMoreIsDeleted) {
  server_.put(envoy_proxy({{"envoyHpa", {{"maxReplicas", 5}}}}));
  start();
  ASSERT_TRUE(until([&] { return has("HorizontalPodAutoscaler"); }));
  server_.put(envoy_proxy());
  EXPECT_TRUE(until([&] { return !has("HorizontalPodAutoscaler"); }));
}

TEST_F(InfrastructureTest, ADaemonSetTakesTheDeploymentsPlaceWhenItServes) {
  start();
  ASSERT_TRUE(until([&] { return has("Deployment"); }));
  server_.put(envoy_proxy({{"envoyDaemonSet", Json::object()}}));
  ASSERT_TRUE(until([&] { return has("DaemonSet"); }));
  settle();
  ASSERT_TRUE(has("Deployment"));
  change("DaemonSet", {{"status", {{"numberAvailable", 1}}}});
  EXPECT_TRUE(until([&] { return !has("Deployment"); }));
}

TEST_F(InfrastructureTest, AGatewayOnPortsOfNodesIsReachedByTheirAddresses) {
  server_.put({{"kind", "Node"},
               {"metadata", {{"name", "node"}}},
               {"status", {{"addresses", {{{"type", "InternalIP"}, {"address", "10.0.0.5"}}}}}}});
  server_.put(envoy_proxy({{"envoyService", {{"type", "NodePort"}}}}));
  start();
  ASSERT_TRUE(until([&] { return has("Deployment") && has("Service"); }));
  change("Service", {{"spec", {{"ipFamilies", {"IPv4"}}}}});
  start_pods();
  ASSERT_TRUE(until([&] { return programmed() == "True/Programmed"; })) << programmed();
  EXPECT_EQ(server_.get("Gateway", "default", "web")["status"]["addresses"][0]["value"], "10.0.0.5");
}

TEST_F(InfrastructureTest, OfNamespacesThatAreNotNamedNothingIsAsked) {
  start({.apart = true, .namespaces = {"default"}});
  ASSERT_TRUE(until([&] { return has_beside("Deployment"); }));
  std::set<std::string> asked;
  for (const auto& request : server_.requests()) {
    if (request.method != "GET" || !request.target.contains("sluice.dev")) continue;
    asked.insert(request.target.substr(0, request.target.find('?')));
  }
  EXPECT_THAT(asked, testing::IsSupersetOf({"/apis/apps/v1/namespaces/default/deployments",
                                            "/apis/apps/v1/namespaces/system/deployments"}));
  EXPECT_THAT(asked, testing::Each(testing::HasSubstr("/namespaces/")));
}

TEST_F(InfrastructureTest, WhatIsLeftBesideGatewaysGoesWhenItIsReplaced) {
  start({.apart = true});
  ASSERT_TRUE(until([&] { return has_all_beside(); }));
  restart({.was_apart = true});
  ASSERT_TRUE(until([&] { return has("Service") && has("Deployment"); }));
  settle();
  EXPECT_TRUE(has_all_beside());  // nobody serves in their place
  give_address();
  start_pods();
  EXPECT_TRUE(until([&] {
    return !has_beside("ServiceAccount") && !has_beside("ConfigMap") && !has_beside("Deployment") &&
           !has_beside("Service");
  }));
}

TEST_F(InfrastructureTest, WhatIsLeftBesideGatewaysIsToldWhereNobodySaysThatItMayGo) {
  start({.apart = true});
  ASSERT_TRUE(until([&] { return has_all_beside(); }));
  const Replica& replica = restart({});
  ASSERT_TRUE(until([&] { return !replica.problems().empty() && has("Service") && has("Deployment"); }));
  EXPECT_THAT(replica.problems().front().message, testing::HasSubstr("Service default/web"));
  give_address();
  start_pods();
  settle();
  EXPECT_TRUE(has_all_beside());
}

TEST_F(InfrastructureTest, WhatIsLeftWithUsGoesWhenItIsReplacedBesideGateways) {
  start();
  ASSERT_TRUE(until([&] { return has("Service") && has("Deployment"); }));
  restart({.apart = true});
  ASSERT_TRUE(until([&] { return has_all_beside(); }));
  settle();
  EXPECT_TRUE(has("Service") && has("Deployment"));
  for (const char* const kind : {"Service", "Deployment"}) {
    Json object = server_.get(kind, "default", "web");
    object["status"] = {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.1"}}}}}}, {"availableReplicas", 1}};
    server_.put(object);
  }
  EXPECT_TRUE(until(
      [&] { return !has("ServiceAccount") && !has("ConfigMap") && !has("Deployment") && !has("Service"); }));
}

TEST_F(InfrastructureTest, WhatMayNotBeLookedForElsewhereIsNoProblem) {
  for (const char* const plural : {"services", "deployments", "configmaps"}) {
    server_.fail({.method = "GET",
                  .in_target = fmt::format("v1/{}?limit=500&labelSelector=", plural),
                  .times = -1,
                  .status = 403,
                  .reason = "Forbidden"});
  }
  server_.forget_requests();
  const Replica& replica = start({.was_apart = true});
  ASSERT_TRUE(until([&] { return has("Service") && has("Deployment"); }));
  settle();
  EXPECT_THAT(replica.problems(), testing::IsEmpty());
}

TEST_F(InfrastructureTest, WhatTheServerRefusesIsAProblemAndInTheStatus) {
  server_.fail(
      {.method = "PATCH", .in_target = "/services/", .times = -1, .status = 422, .reason = "Invalid"});
  Replica& replica = start();
  ASSERT_TRUE(until([&] { return !replica.problems().empty(); }));
  EXPECT_EQ(replica.problems().front().code, "cluster/infrastructure");
  const auto message = [&] {
    const Json object = server_.get("Gateway", "default", "web");
    return object.value("/status/conditions"_json_pointer, Json::array()).dump();
  };
  EXPECT_TRUE(until([&] {
    return message().find("Service system/envoy-default-web-82b3ade9") != std::string::npos;
  })) << message();
}

TEST_F(InfrastructureTest, AFollowerGoesOnWhereTheLeaderStopped) {
  start({.elects = true});
  ASSERT_TRUE(until([&] { return replicas_[0]->leads() && has("Service"); }));
  Replica& follower = start({.elects = true});
  settle();
  replicas_.erase(replicas_.begin());
  ASSERT_TRUE(until([&] { return follower.leads(); }));
  server_.remove("Service", kSystem, kName);
  EXPECT_TRUE(until([&] { return has("Service"); }));
}

TEST_F(InfrastructureTest, AFollowerWritesNothing) {
  // Somebody else leads.
  server_.put({{"kind", "Lease"},
               {"metadata", {{"name", lease_name(kController)}, {"namespace", kSystem}}},
               {"spec",
                {{"holderIdentity", "other"},
                 {"leaseDurationSeconds", 3'600},
                 {"renewTime", "2099-01-01T00:00:00.000000Z"}}}});
  start({.elects = true});
  settle();
  EXPECT_EQ(writes(), 0u);
}

}  // namespace
}  // namespace sluice::control

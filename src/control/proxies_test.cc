#include "control/proxies.h"

#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flow/graph.h"

namespace sluice::control {
namespace {

using Time = Handover::Time;

// Plans of proxies with their Gateways, which follow one another in commits.
class ProxiesTest : public testing::Test {
 protected:
  void want(const ir::ProxyKey& key, std::vector<NamespacedName> gateways, std::vector<std::uint16_t> ports) {
    translate::ProxyPlan plan;
    plan.proxy.key = key;
    plan.proxy.ports = std::move(ports);
    for (NamespacedName& name : gateways) plan.gateways.emplace_back().gateway = std::move(name);
    plans_.set(key, std::move(plan));
  }
  // As the control loop does it.
  void commit(Proxies& proxies) {
    graph_.commit();
    Proxies::Changes changes = proxies.follow(plans_);
    std::vector<ir::ProxyKey> served;
    for (const auto& change : plans_.changes()) {
      if (change.after != nullptr) served.push_back(change.key);
    }
    proxies.leave(std::move(changes.removed), ++commit_, served, now_);
  }

  flow::Graph graph_;
  flow::Input<ir::ProxyKey, translate::ProxyPlan>& plans_ =
      graph_.input<ir::ProxyKey, translate::ProxyPlan>("plans");
  std::uint64_t commit_ = 0;
  Time now_{};
};

TEST_F(ProxiesTest, OnAHostItStaysUntilWhoGetsItsPortsServes) {
  Proxies proxies(Proxies::Heirs::kOfPorts);
  want("default/a", {{"default", "a"}}, {80});
  commit(proxies);
  plans_.erase("default/a");
  want("default/b", {{"default", "b"}}, {80});
  commit(proxies);
  EXPECT_TRUE(proxies.take_ended(now_).empty());
  proxies.set_ready("default/b", true);
  proxies.acknowledge("default/b", commit_);
  EXPECT_EQ(proxies.take_ended(now_), std::vector<ir::ProxyKey>{"default/a"});
}

TEST_F(ProxiesTest, InAClusterPortsAreEachOnesOwn) {
  Proxies proxies(Proxies::Heirs::kOfGateways);
  want("default/a", {{"default", "a"}}, {80});
  commit(proxies);
  plans_.erase("default/a");
  want("default/b", {{"default", "b"}}, {80});
  commit(proxies);
  EXPECT_EQ(proxies.take_ended(now_), std::vector<ir::ProxyKey>{"default/a"});
}

TEST_F(ProxiesTest, InAClusterItStaysUntilWhoGetsItsGatewaysIsReady) {
  Proxies proxies(Proxies::Heirs::kOfGateways);
  want("default/a", {{"default", "a"}}, {80});
  commit(proxies);
  plans_.erase("default/a");
  want("class", {{"default", "a"}}, {80});
  commit(proxies);
  EXPECT_TRUE(proxies.take_ended(now_).empty());
  proxies.set_ready("class", true);
  EXPECT_EQ(proxies.take_ended(now_), std::vector<ir::ProxyKey>{"default/a"})
      << "its Envoys may be another replica's";
}

TEST_F(ProxiesTest, InAClusterWhoServesAlreadyHasToHaveTakenTheGateway) {
  Proxies proxies(Proxies::Heirs::kOfGateways);
  want("default/a", {{"default", "a"}}, {80});
  want("class", {{"default", "b"}}, {80});
  commit(proxies);
  proxies.set_ready("class", true);
  proxies.acknowledge("class", commit_);
  plans_.erase("default/a");
  want("class", {{"default", "a"}, {"default", "b"}}, {80});
  commit(proxies);
  EXPECT_TRUE(proxies.take_ended(now_).empty());
  proxies.acknowledge("class", commit_);
  EXPECT_EQ(proxies.take_ended(now_), std::vector<ir::ProxyKey>{"default/a"});
}

}  // namespace
}  // namespace sluice::control

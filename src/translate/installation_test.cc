#include "translate/installation.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

using Strings = std::vector<std::string>;

const ServiceState kBalanced{.type = "LoadBalancer",
                             .cluster_ips = {"10.96.0.7"},
                             .external_ips = {},
                             .ingress = {"192.0.2.1"},
                             .ipv4 = true};
const NodeAddresses kNodes{.ipv4 = {"10.0.0.1"}, .ipv6 = {"fd00::1"}};

Installation serving(ServiceState service) {
  return {.service = std::move(service), .available = 1, .fault = ""};
}

class InstallationTest : public testing::Test {
 protected:
  InstallationTest() { plan_.listeners.emplace_back().ready = true; }
  void ask(const char* type, const char* value) { gateway_.spec.addresses.push_back({type, value}); }
  const ObjectStatus& told(const Installation* installation, const std::string& fault = "") {
    status_ = ObjectStatus();
    add_installation(status_, gateway_, plan_, installation, &kNodes, fault);
    return status_;
  }
  // "False/NoResources".
  std::string programmed(const Installation* installation, const std::string& fault = "") {
    const Condition* condition = find_condition(told(installation, fault).conditions, "Programmed");
    return fmt::format("{}/{}", condition->status ? "True" : "False", condition->reason);
  }
  std::string message() const { return find_condition(status_.conditions, "Programmed")->message; }

  api::Gateway gateway_;
  GatewayPlan plan_;
  ObjectStatus status_;
};

TEST_F(InstallationTest, ItIsProgrammedWithAnAddressAndAPod) {
  const Installation installation = serving(kBalanced);
  EXPECT_EQ(programmed(&installation), "True/Programmed");
  EXPECT_EQ(status_.addresses, Strings{"192.0.2.1"});
}

TEST_F(InstallationTest, TheAddressesAreThoseOfTheServicesType) {
  struct Case {
    const char* type;
    bool ipv4;
    bool ipv6;
    Strings addresses;
  };
  for (const Case& c :
       {Case{"LoadBalancer", true, false, {"192.0.2.1"}}, Case{"ClusterIP", true, false, {"10.96.0.7"}},
        Case{"NodePort", true, false, {"10.0.0.1"}}, Case{"NodePort", true, true, {"10.0.0.1", "fd00::1"}}}) {
    ServiceState service = kBalanced;
    service.type = c.type;
    service.ipv4 = c.ipv4;
    service.ipv6 = c.ipv6;
    const Installation installation = serving(service);
    EXPECT_EQ(told(&installation).addresses, c.addresses) << c.type;
  }
}

TEST_F(InstallationTest, WithoutAnAddressItIsNotProgrammed) {
  ServiceState service = kBalanced;
  service.ingress.clear();
  const Installation without = serving(service);
  EXPECT_EQ(programmed(&without), "False/AddressNotAssigned");
  const Installation no_service{.service = std::nullopt, .available = 1, .fault = ""};
  EXPECT_EQ(programmed(&no_service), "False/AddressNotAssigned");
}

TEST_F(InstallationTest, WithoutAPodItIsNotProgrammed) {
  Installation installation = serving(kBalanced);
  installation.available = 0;
  EXPECT_EQ(programmed(&installation), "False/NoResources");
  EXPECT_EQ(status_.addresses, Strings{"192.0.2.1"}) << "it is known where it will be reached";
}

TEST_F(InstallationTest, AsLongAsNothingIsKnownItIsPending) {
  EXPECT_EQ(programmed(nullptr), "False/Pending");
}

TEST_F(InstallationTest, WhatCannotBeMadeIsInTheMessage) {
  Installation installation;
  installation.fault = "Service system/envoy: too many ports";
  EXPECT_EQ(programmed(&installation), "False/AddressNotAssigned");
  EXPECT_EQ(message(), "Service system/envoy: too many ports");
}

TEST_F(InstallationTest, AnEnvoyThatCannotServeIsInTheMessage) {
  const Installation installation = serving(kBalanced);
  EXPECT_EQ(programmed(&installation, "None of its listeners can be served"), "False/Pending");
  EXPECT_EQ(message(), "None of its listeners can be served");
}

TEST_F(InstallationTest, AGatewayThatIsNotAcceptedHasNoAddress) {
  plan_.accepted = false;
  const Installation installation = serving(kBalanced);
  EXPECT_EQ(programmed(&installation), "False/Invalid");
  EXPECT_EQ(status_.addresses, Strings());
}

TEST_F(InstallationTest, AnAddressThatTheServiceHasCanBeUsed) {
  ask("IPAddress", "192.0.2.7");
  ServiceState service = kBalanced;
  service.external_ips = {"192.0.2.7"};
  const Installation installation = serving(service);
  EXPECT_EQ(programmed(&installation), "True/Programmed");
  EXPECT_EQ(status_.addresses, Strings{"192.0.2.7"});
}

TEST_F(InstallationTest, AnAddressOfTheLoadBalancersChoiceCanBeAskedForToo) {
  ask("IPAddress", "192.0.2.1");
  const Installation installation = serving(kBalanced);
  EXPECT_EQ(programmed(&installation), "True/Programmed");
}

TEST_F(InstallationTest, AnAddressThatTheServiceDoesNotGetIsNamed) {
  ask("Hostname", "unusable.example.com");
  ask("IPAddress", "192.0.2.7");
  ServiceState service = kBalanced;
  service.external_ips = {"192.0.2.7"};
  const Installation installation = serving(service);
  EXPECT_EQ(programmed(&installation), "False/AddressNotUsable");
  EXPECT_EQ(message(), "The Service does not get unusable.example.com: see `spec.addresses`");
  EXPECT_EQ(status_.addresses, Strings{"192.0.2.7"});
}

TEST_F(InstallationTest, AnIpAddressIsToldBeforeTheServiceHasIt) {
  ask("IPAddress", "192.0.2.7");
  const Installation installation;
  EXPECT_EQ(programmed(&installation), "False/AddressNotUsable");
  EXPECT_EQ(status_.addresses, Strings{"192.0.2.7"});
}

TEST_F(InstallationTest, AnAddressWithoutAValueIsWhateverIsGiven) {
  ask("IPAddress", "");
  const Installation installation = serving(kBalanced);
  EXPECT_EQ(programmed(&installation), "True/Programmed");
  EXPECT_EQ(status_.addresses, Strings{"192.0.2.1"});
}

TEST_F(InstallationTest, AStatusHasRoomForSixteenAddresses) {
  ServiceState service = kBalanced;
  service.ingress.clear();
  for (int i = 0; i < 20; ++i) service.ingress.push_back(fmt::format("192.0.2.{}", i));
  const Installation installation = serving(service);
  EXPECT_EQ(told(&installation).addresses.size(), kMaxAddresses);
}

TEST_F(InstallationTest, WhatIsSaidAlreadyStays) {
  status_.conditions = {{"Accepted", false, "InvalidParameters", "no"},
                        {"Programmed", false, "Invalid", "no"}};
  const Installation installation = serving(kBalanced);
  add_installation(status_, gateway_, plan_, &installation, &kNodes, "");
  EXPECT_EQ(find_condition(status_.conditions, "Programmed")->reason, "Invalid");
  EXPECT_EQ(status_.conditions.size(), 2u);
}

}  // namespace
}  // namespace sluice::translate

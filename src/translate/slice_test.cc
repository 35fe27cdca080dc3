#include "translate/slice.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "translate/backend.h"
#include "translate/testing.h"

namespace sluice::translate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

api::EndpointSlice slice(std::string type, std::vector<std::string> addresses, std::int32_t port = 80) {
  api::EndpointSlice s;
  s.address_type = std::move(type);
  s.metadata.namespace_ = "default";
  s.metadata.labels[std::string(kServiceNameLabel)] = "web";
  for (std::string& address : addresses) s.endpoints.push_back({.addresses = {std::move(address)}});
  s.ports = {{.name = "http", .port = port}};
  return s;
}

// There is a Service `web` with a port `http`.
class CheckSlice : public StageTest {
 protected:
  std::vector<std::string> said(const api::EndpointSlice& s) {
    add_service("web");
    return run([&](flow::Reads& reads) {
      std::vector<std::string> words;
      const auto found = check_slice({"default", "s"}, s, tables_, reads);
      if (!found) return words;
      for (const Problem& p : found->problems) {
        words.push_back(p.path + ": " + p.message + (p.suggestion.empty() ? "" : "; " + p.suggestion));
      }
      return words;
    });
  }
};

TEST_F(CheckSlice, FindsAddressesThatAreNone) {
  EXPECT_THAT(said(slice("IPv4", {"10.0.0.1", "10.0.0.300", "web.test"})),
              ElementsAre("endpoints[1].addresses[0]: `10.0.0.300` is no IP address: nothing is sent there",
                          "endpoints[2].addresses[0]: `web.test` is no IP address: nothing is sent there; "
                          "names are for slices of `addressType: FQDN`"));
  EXPECT_THAT(
      said(slice("FQDN", {"web.test", "not a name"})),
      ElementsAre("endpoints[1].addresses[0]: `not a name` is no name of a host: nothing is sent there"));
}

TEST_F(CheckSlice, TakesAddressesOfBothFamiliesWhateverTheTypeSays) {
  EXPECT_THAT(said(slice("", {"10.0.0.1", "::1"})), IsEmpty());
}

TEST_F(CheckSlice, FindsAPortThatIsNone) {
  EXPECT_THAT(said(slice("IPv4", {"10.0.0.1"}, 0)),
              ElementsAre("ports[0].port: nothing can be sent to port 0"));
}

TEST_F(CheckSlice, FindsThatThereIsNoSuchService) {
  auto lost = slice("IPv4", {"10.0.0.1"});
  lost.metadata.labels[std::string(kServiceNameLabel)] = "nobody";
  EXPECT_THAT(said(lost), ElementsAre("metadata.labels[kubernetes.io/service-name]: there is no Service "
                                      "default/nobody: nothing is sent to the endpoints of the slice"));
  lost.metadata.labels.clear();
  EXPECT_THAT(said(lost), ElementsAre("metadata.labels: the slice is for no Service: nothing is sent to its "
                                      "endpoints; add the label `kubernetes.io/service-name`"));
  lost.metadata.labels["kubernetes.io/servicename"] = "web";
  EXPECT_THAT(said(lost), ElementsAre("metadata.labels: the slice is for no Service: nothing is sent to its "
                                      "endpoints; write `kubernetes.io/service-name` instead of "
                                      "`kubernetes.io/servicename`"));
}

TEST_F(CheckSlice, FindsThatNoPortIsOneOfTheService) {
  auto other = slice("IPv4", {"10.0.0.1"});
  other.ports[0].name = "web";
  EXPECT_THAT(said(other),
              ElementsAre("ports: Service default/web has no port `web`: nothing is sent to the "
                          "endpoints of the slice; ports are found by name, and it has `http`/TCP"));
  other.ports[0].name = "";
  EXPECT_THAT(said(other),
              ElementsAre("ports: Service default/web has no port without a name: nothing is sent "
                          "to the endpoints of the slice; ports are found by name, and it has "
                          "`http`/TCP"));
  other.ports.push_back({.name = "http", .port = 80});
  EXPECT_THAT(said(other), ElementsAre("ports[0]: Service default/web has no port without a name: nothing is "
                                       "sent there; ports are found by name, and it has `http`/TCP"));
}

TEST_F(CheckSlice, FindsATypeThatIsNone) {
  EXPECT_THAT(said(slice("ipv4", {"10.0.0.1"})),
              ElementsAre("addressType: `ipv4` is no type of addresses; did you mean `IPv4`?"));
  EXPECT_THAT(said(slice("IP", {"10.0.0.1"})), IsEmpty()) << "of early versions";
}

TEST(JoinSlices, LeavesOutAddressesAndPortsThatAreNone) {
  const auto addresses = slice("IPv4", {"foo", "10.0.0.1"});
  const ServiceEndpoints joined = join_slices({&addresses}, false, false);
  ASSERT_EQ(joined.by_port.at("http").size(), 1U);
  ASSERT_EQ(joined.by_port.at("http")[0].endpoints.size(), 1U);
  EXPECT_EQ(joined.by_port.at("http")[0].endpoints[0].address, "10.0.0.1");
  const auto port = slice("IPv4", {"10.0.0.1"}, 0);
  EXPECT_THAT(join_slices({&port}, false, false).by_port, IsEmpty());
}

}  // namespace
}  // namespace sluice::translate

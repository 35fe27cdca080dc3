#include "translate/slice.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "translate/backend.h"

namespace sluice::translate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

api::EndpointSlice slice(std::string type, std::vector<std::string> addresses, std::int32_t port = 80) {
  api::EndpointSlice s;
  s.address_type = std::move(type);
  for (std::string& address : addresses) s.endpoints.push_back({.addresses = {std::move(address)}});
  s.ports = {{.name = "http", .port = port}};
  return s;
}

std::vector<std::string> said(const api::EndpointSlice& s) {
  std::vector<std::string> words;
  const auto found = check_slice({"default", "s"}, s);
  if (!found) return words;
  for (const Problem& p : found->problems) {
    words.push_back(p.path + ": " + p.message + (p.suggestion.empty() ? "" : "; " + p.suggestion));
  }
  return words;
}

TEST(CheckSlice, FindsAddressesThatAreNone) {
  EXPECT_THAT(said(slice("IPv4", {"10.0.0.1", "10.0.0.300", "web.test"})),
              ElementsAre("endpoints[1].addresses[0]: `10.0.0.300` is no IP address: nothing is sent there",
                          "endpoints[2].addresses[0]: `web.test` is no IP address: nothing is sent there; "
                          "names are for slices of `addressType: FQDN`"));
  EXPECT_THAT(
      said(slice("FQDN", {"web.test", "not a name"})),
      ElementsAre("endpoints[1].addresses[0]: `not a name` is no name of a host: nothing is sent there"));
}

TEST(CheckSlice, TakesAddressesOfBothFamiliesWhateverTheTypeSays) {
  EXPECT_THAT(said(slice("", {"10.0.0.1", "::1"})), IsEmpty());
}

TEST(CheckSlice, FindsAPortThatIsNone) {
  EXPECT_THAT(said(slice("IPv4", {"10.0.0.1"}, 0)),
              ElementsAre("ports[0].port: nothing can be sent to port 0"));
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

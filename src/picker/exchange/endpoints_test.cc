#include "picker/exchange/endpoints.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

using testing::HasSubstr;

TEST(ParseEndpoints, ReadsAddressesLabelsAndRoles) {
  const auto endpoints = parse_endpoints(
      "# two of them\n10.0.0.1:8000\n\n[fd00::1]:8000 role=decode zone=a, 10.0.0.2:80 role=prefill  # "
      "last\n");
  ASSERT_TRUE(endpoints.has_value());
  ASSERT_EQ(endpoints->size(), 3U);
  EXPECT_EQ((*endpoints)[0], (Endpoint{.address = "10.0.0.1:8000"}));
  EXPECT_EQ((*endpoints)[1],
            (Endpoint{.address = "[fd00::1]:8000", .labels = {{"llm-d.ai/role", "decode"}, {"zone", "a"}}}));
  EXPECT_EQ((*endpoints)[2].labels.at("llm-d.ai/role"), "prefill");
}

TEST(ParseEndpoints, SaysWhatIsWrongAndWhere) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"localhost:8000", "`localhost:8000` is no IP address with a port"},
      {"10.0.0.1", "is no IP address with a port"},
      {"10.0.0.1:0", "is no IP address with a port"},
      {"10.0.0.1:80 zone", "`zone` is no label"},
      {"10.0.0.1:80 role=all", "the role `all` is none of both, prefill and decode"},
      {"10.0.0.1:80,10.0.0.1:80", "`10.0.0.1:80` is there twice"},
  };
  for (const auto& [text, message] : cases) {
    const auto endpoints = parse_endpoints("\n" + text, "pool.txt");
    ASSERT_FALSE(endpoints.has_value()) << text;
    EXPECT_THAT(endpoints.error().message, HasSubstr(message));
    EXPECT_EQ(endpoints.error().where, (Where{.file = "pool.txt", .line = 2}));
  }
}

}  // namespace
}  // namespace sluice::picker

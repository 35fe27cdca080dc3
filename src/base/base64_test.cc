#include "base/base64.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(DecodeBase64, TakesItWithPaddingAndWithout) {
  EXPECT_EQ(decode_base64("MTAuMC4wLjE6ODAwMA=="), "10.0.0.1:8000");
  EXPECT_EQ(decode_base64("MTAuMC4wLjE6ODAwMA"), "10.0.0.1:8000");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("!"), std::nullopt);
}

}  // namespace
}  // namespace sluice

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

TEST(EncodeBase64, PadsWhatIsLeft) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foo"), "Zm9v");
  EXPECT_EQ(encode_base64("\xff\xfe\xfd\xfc"), "//79/A==");
}

}  // namespace
}  // namespace sluice

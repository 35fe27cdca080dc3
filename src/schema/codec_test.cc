#include "schema/codec.h"

#include <gtest/gtest.h>

namespace sluice::schema {
namespace {

using std::chrono::milliseconds;

TEST(Duration, Gep2257) {
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
  EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(parse_duration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(parse_duration("1h1m1s1ms"), milliseconds(3'661'001));
  EXPECT_EQ(parse_duration("99999h"), milliseconds(359'996'400'000));
  for (const char* const bad : {"", "5", "s", "-1s", "1.5s", "1d", "100000s", "1s1s1s1s1s", "1 s", "1s "}) {
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
  }
}

TEST(Base64, DecodesAsGoDoes) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("aA=="), "h");
  EXPECT_EQ(decode_base64("aGk="), "hi");
  EXPECT_EQ(decode_base64("aGkh"), "hi!");
  EXPECT_EQ(decode_base64("aG\nkh\r\n"), "hi!");
  EXPECT_EQ(decode_base64("AP//"), std::string("\0\xFF\xFF", 3));
  for (const char* const bad : {"a", "aG", "aGk", "aGk==", "aG=k", "aGkh=", "====", "aG k", "a-_="}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace sluice::schema

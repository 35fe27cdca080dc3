#include "schema/codec.h"

#include <gtest/gtest.h>

#include "base/base64.h"

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

TEST(Duration, IsWrittenAsItIsRead) {
  EXPECT_EQ(format_duration(milliseconds(0)), "0s");
  EXPECT_EQ(format_duration(milliseconds(500)), "500ms");
  EXPECT_EQ(format_duration(milliseconds(90'000)), "1m30s");
  EXPECT_EQ(format_duration(milliseconds(3'661'001)), "1h1m1s1ms");
  EXPECT_EQ(format_duration(milliseconds(359'996'400'000)), "99999h");
  // Durations that take more than one part of a unit, where taking hours, minutes and seconds as they come
  // would take more than four.
  for (const char* const text :
       {"99999h99999h", "99999h99999h99999h99999h", "99999h99999h99999s1ms", "99999h99999h99999s99999ms",
        "99999h99999m99999s99999ms", "99999h99999h99999m99999s", "99999h99999h99999h99999ms",
        "1s99999h99999h1ms", "99999h99999h99999h1m", "99999m99999m99999m99999m",
        "99999ms99999ms99999ms99999ms", "1ms2h3s4m"}) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration.has_value()) << text;
    EXPECT_EQ(parse_duration(format_duration(*duration)), duration)
        << text << " " << format_duration(*duration);
  }
}

TEST(Duration, NearestToWhatNoTextSays) {
  EXPECT_EQ(format_duration(milliseconds(-1)), "0s");
  EXPECT_EQ(format_duration(milliseconds::max()), "99999h99999h99999h99999h");
}

TEST(Base64, EncodesWhatItDecodes) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("h"), "aA==");
  EXPECT_EQ(encode_base64("hi"), "aGk=");
  EXPECT_EQ(encode_base64("hi!"), "aGkh");
  EXPECT_EQ(encode_base64(std::string("\0\xFF\xFF", 3)), "AP//");
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
    bytes.push_back(static_cast<char>(i));
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

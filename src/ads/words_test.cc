#include "ads/words.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::ads {
namespace {

constexpr char kCauses[] =
    "Proto constraint validation failed (RouteConfigurationValidationError.VirtualHosts[0]: embedded message "
    "failed validation | caused by VirtualHostValidationError.Routes[3]: embedded message failed validation "
    "| "
    "caused by RetryBackOffValidationError.BaseInterval: value must be greater than 0s)";

TEST(InShort, LeavesPlainWordsAsTheyAre) {
  EXPECT_EQ(in_short("More than 1 alternative header specified in token: NOPE?A?B"),
            "More than 1 alternative header specified in token: NOPE?A?B");
  EXPECT_EQ(in_short(""), "");
}

TEST(InShort, SaysTheReasonWithoutTheResource) {
  for (const char* dump :
       {"goo.gle/debugonly  name: \"default/web:80\" virtual_hosts { name: \"secret\" }: ",
        "goo.gle/debugproto    \nname: \"secret\"\nvirtual_hosts {\n}\n: ", "goo.gle/debugstr    \n: ", ""}) {
    EXPECT_EQ(in_short(std::string(dump) + kCauses),
              "RetryBackOff.BaseInterval: value must be greater than 0s")
        << dump;
  }
}

TEST(InShort, KeepsWhatComesBeforeTheResource) {
  EXPECT_EQ(in_short("Error adding/updating cluster(s) a: goo.gle/debugproto  \nname: \"a\"\n: "
                     "Proto constraint validation failed (ClusterValidationError.ConnectTimeout: value must "
                     "be greater than 0s)"),
            "Error adding/updating cluster(s) a: Cluster.ConnectTimeout: value must be greater than 0s");
  EXPECT_EQ(in_short("Unable to unpack as envoy.A: goo.gle/debugonly type_url: \"secret\" ...(truncated)"),
            "Unable to unpack as envoy.A:");
}

TEST(InShort, SaysThatTheReasonIsCutOff) {
  EXPECT_EQ(in_short("goo.gle/debugonly name: \"secret\"" + std::string(5'000, 'x') + "...(truncated)"),
            kReasonCutOff);
  EXPECT_EQ(in_short("Error adding/updating cluster(s) a: goo.gle/debugonly name: \"a\" ...(truncated)"),
            "Error adding/updating cluster(s) a: " + std::string(kReasonCutOff));
}

TEST(InShort, IsOneLineOfReadableSize) {
  EXPECT_EQ(in_short("script load error:\n\t[string]:1:\x1B oops \xFF\n\n"),
            "script load error: [string]:1: oops \xEF\xBF\xBD");
  std::string longest;
  for (int i = 0; i < 200; ++i) longest += "ä";
  EXPECT_EQ(in_short(longest), longest);
  EXPECT_EQ(in_short("a" + longest), "a" + longest.substr(2) + "…");
}

TEST(LastReason, IsThatOfTheNewestRefusal) {
  const std::string log =
      "[1] rejected: goo.gle/debugproto \nname: \"a\"\n: Proto constraint validation failed "
      "(ClusterValidationError.Name: value length must be at least 1 characters)\n"
      "[2] rejected: goo.gle/debugproto \nname: \"b\"\n: " +
      std::string(kCauses) + "\n[3] shutting (down)\n";
  EXPECT_EQ(last_reason(log), "RetryBackOff.BaseInterval: value must be greater than 0s");
  EXPECT_EQ(last_reason("[1] nothing is wrong\n"), std::nullopt);
}

}  // namespace
}  // namespace sluice::ads

#include "translate/hostname.h"

#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

using Hosts = std::vector<std::string>;

TEST(Hostname, AWildcardCoversWhatIsBelowItsSuffixOnly) {
  EXPECT_TRUE(covers("*.example.com", "a.example.com"));
  EXPECT_TRUE(covers("*.example.com", "b.a.example.com"));
  EXPECT_TRUE(covers("*.example.com", "*.a.example.com"));
  EXPECT_TRUE(covers("*", "a.example.com"));
  EXPECT_TRUE(covers("*", "*.example.com"));
  EXPECT_FALSE(covers("*.example.com", "example.com"));
  EXPECT_FALSE(covers("*.example.com", ".example.com"));
  EXPECT_FALSE(covers("*.a.example.com", "*.example.com"));
  EXPECT_FALSE(covers("a.example.com", "b.example.com"));
}

TEST(Hostname, TheIntersectionIsTheNarrowerOfTwoThatOverlap) {
  EXPECT_EQ(intersect("*.example.com", "a.example.com"), "a.example.com");
  EXPECT_EQ(intersect("a.example.com", "*.example.com"), "a.example.com");
  EXPECT_EQ(intersect("", "*.example.com"), "*.example.com");
  EXPECT_EQ(intersect("", ""), "*");
  EXPECT_EQ(intersect("a.com", "b.com"), std::nullopt);
}

TEST(Hostname, ARouteIsServedOnItsHostsThatTheListenerHas) {
  EXPECT_EQ(served_hosts({"a.example.com", "b.other.com"}, "*.example.com", {}), Hosts{"a.example.com"});
  EXPECT_EQ(served_hosts({}, "a.example.com", {}), Hosts{"a.example.com"});
  EXPECT_EQ(served_hosts({}, "", {}), Hosts{"*"});
  EXPECT_EQ(served_hosts({"b.com", "a.com", "b.com"}, "", {}), (Hosts{"a.com", "b.com"}));
}

TEST(Hostname, ANarrowerListenerBesideItTakesItsHostsAway) {
  EXPECT_EQ(served_hosts({"a.example.com", "c.com"}, "", {"*.example.com"}), Hosts{"c.com"});
  EXPECT_EQ(served_hosts({"foo.example.com"}, "*.example.com", {"foo.example.com"}), Hosts{});
  EXPECT_EQ(served_hosts({}, "*.example.com", {"foo.example.com"}), Hosts{"*.example.com"});
}

TEST(Hostname, AWiderListenerBesideItTakesNothing) {
  EXPECT_EQ(served_hosts({"a.example.com"}, "a.example.com", {"*.example.com", ""}), Hosts{"a.example.com"});
}

}  // namespace
}  // namespace sluice::translate
